//! What a program was given.
use crate::lifecycle::{Lifecycle, attend, end_with};
use crate::{Failure, Service, block_on, slot::slot as capability};
use capnp::capability::{FromClientHook, FromServer};
use capnp::traits::HasTypeId;
use capos_abi::startup::slot;
use capos_rt::startup;
use std::cell::OnceCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

/// Slot of the endpoint on which the program serves what it offers.
const ENDPOINT: &str = "endpoint";

/// Bytes of the stack of a thread that serves beside the first one.
const SERVER_STACK_BYTES: usize = 256 << 10;

/// Slots that are not filled by the system's description.
const OWN: [&str; 6] = [slot::PROCESS, slot::LEDGER, slot::MEMORY, slot::THREAD, slot::HANDLES, ENDPOINT];

/// The program's slots and arguments, and the endpoint that it serves.
#[derive(Default)]
pub struct Context {
    service: OnceCell<Rc<Service>>,
    lifecycle: Arc<Lifecycle>,
    /// This thread serves beside the first one.
    is_beside: bool,
}

impl Context {
    /// What this program was given.
    pub fn new() -> Self {
        Self::default()
    }

    /// The capability in the slot `name`. It is refused if it is not of the type asked for or one that extends it.
    pub fn take<C: FromClientHook + HasTypeId>(&self, name: &str) -> Result<C, Failure> {
        Ok(capability(name)?)
    }

    /// Whether something was given in the slot `name`.
    pub fn has(&self, name: &str) -> bool {
        startup::capability(name).is_some()
    }

    /// Names of all slots, with the interfaces that were granted.
    pub fn slots(&self) -> impl Iterator<Item = (&'static str, u64)> {
        startup::capabilities().map(|(name, capability)| (name, capability.interface))
    }

    /// The slots that were filled for this program alone: without those that every process has, and the endpoint.
    pub fn granted(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.slots().filter(|(name, _)| !OWN.contains(name))
    }

    /// The arguments, without the program's name.
    pub fn arguments(&self) -> impl Iterator<Item = String> {
        std::env::args().skip(1)
    }

    /// Serves every object of `C` that was minted for this program's offers by `server`.
    pub fn offer<C: FromServer<S> + HasTypeId, S>(&self, server: impl Into<Rc<S>>) -> Result<(), Failure> {
        self.service()?.bind::<C, S>(None, server);
        Ok(())
    }

    /// Serves the object of the program's offer number `key` by `server`.
    pub fn offer_at<C: FromServer<S> + HasTypeId, S>(&self, key: u64, server: impl Into<Rc<S>>) -> Result<(), Failure> {
        self.service()?.bind::<C, S>(Some(key), server);
        Ok(())
    }

    /// The same with at most `limit` calls of the object at the same time; those beyond are refused.
    pub fn offer_limited_at<C: FromServer<S> + HasTypeId, S>(
        &self,
        key: u64,
        limit: u32,
        server: impl Into<Rc<S>>,
    ) -> Result<(), Failure> {
        self.service()?.bind_limited::<C, S>(Some(key), limit, server);
        Ok(())
    }

    /// Has the service refuse calls while it works on so many others. Without a limit they wait where they come from.
    pub fn limit(&self, calls: u32) {
        self.lifecycle.load.set_limit(calls);
    }

    /// Receives calls until the service is stopped; from now on it is ready.
    pub async fn serve(&self) -> Result<(), Failure> {
        self.lifecycle.ready.reach();
        Ok(self.service()?.run().await?)
    }

    /// The same with so many threads, this one included; what comes goes round among them. Each thread calls `offer` to offer
    /// with servers of its own. An object that a thread passes out lives with that thread.
    pub async fn serve_with_threads(
        &self,
        threads: usize,
        offer: impl Fn(&Context) -> Result<(), Failure> + Send + Sync + 'static,
    ) -> Result<(), Failure> {
        let offer = Arc::new(offer);
        let others: Vec<_> = (1..threads).map(|_| self.spawn_server(offer.clone())).collect();
        let mut outcome = self.serve_apart(&*offer).await;
        for other in others {
            let ended = other?.join().unwrap_or_else(|_| Err("a thread of the service panicked".into()));
            outcome = outcome.and(ended.map_err(Failure::from));
        }
        outcome
    }

    /// Starts another thread that serves; its result is why it ended.
    fn spawn_server(
        &self,
        offer: Arc<impl Fn(&Context) -> Result<(), Failure> + Send + Sync + 'static>,
    ) -> io::Result<JoinHandle<Result<(), String>>> {
        let lifecycle = self.lifecycle.clone();
        let spawned = thread::Builder::new().stack_size(SERVER_STACK_BYTES).spawn(move || {
            let context = Context { service: OnceCell::new(), lifecycle, is_beside: true };
            block_on(context.serve_apart(&*offer)).map_err(|failure| failure.text().to_owned())
        });
        // One that is missing takes the others along.
        spawned.inspect_err(|_| self.lifecycle.stopping.reach())
    }

    /// Serves as one of several threads. Objects that it passes out are minted on an endpoint of its own, because
    /// calls of the common one reach any thread.
    async fn serve_apart(&self, offer: &impl Fn(&Context) -> Result<(), Failure>) -> Result<(), Failure> {
        let outcome = async {
            offer(self)?;
            self.service()?;
            let own = Rc::new(Service::create().await?);
            end_with(&own, &self.lifecycle);
            self.serve().await?;
            Ok(own.run().await?)
        };
        let outcome = outcome.await;
        // One that cannot go on takes the others along.
        self.lifecycle.stopping.reach();
        outcome
    }

    /// The service on the program's own endpoint.
    pub fn service(&self) -> Result<&Rc<Service>, Failure> {
        if self.service.get().is_none() {
            let serve = if self.is_beside { Service::beside_others } else { Service::new };
            let service = Rc::new(serve(capability(ENDPOINT)?)?);
            attend(&service, &self.lifecycle);
            let _ = self.service.set(service);
        }
        self.service.get().ok_or_else(|| "the endpoint is not served".into())
    }
}
