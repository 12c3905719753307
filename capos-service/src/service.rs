//! Serving an endpoint: the objects that its owner minted are bound here; those that the program passes out are found by
//! themselves.
use crate::limit::limited;
use crate::{handle, slot};
use capnp::capability::{FromClientHook, FromServer};
use capnp::traits::HasTypeId;
use capnp::{Error, Result};
use capos_abi::handle::Handle;
use capos_rt::load::Load;
use capos_rt::{object, receiver};
use schema::endpoint_capnp::{endpoint, endpoint_server};
use schema::ledger_capnp::ledger;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ThreadId};

/// Bytes of the longest message, as `createEndpoint` has it where nothing else was asked for.
const MESSAGE_BYTES: u32 = 4096;

/// What the second thread is told that would serve an endpoint.
pub const SERVED_TWICE: &str = "another thread of this program serves the endpoint, and a call of an object of either could reach the \
    other one: Context::serve_with_threads is for that";

/// The endpoints, by their handles, on which one thread of this program mints what it passes out, and which.
static MINTED_ON: Mutex<BTreeMap<Handle, ThreadId>> = Mutex::new(BTreeMap::new());

/// An endpoint that this thread serves.
pub struct Service {
    receiver: u32,
    /// Where objects are minted, if no other thread may receive there.
    _minter: Option<Minter>,
    /// Keeps the handle.
    _endpoint: endpoint_server::Client,
    /// Keeps an endpoint of this program's own alive.
    _owner: Option<endpoint::Client>,
}

impl Service {
    /// Starts to receive with the thread's next wait. Objects that the thread passes out are minted on this endpoint, whose calls
    /// may reach any thread that serves it: a second one is refused with [`SERVED_TWICE`].
    /// [`Context::serve_with_threads`](crate::Context::serve_with_threads) has each mint on an endpoint of its own.
    pub fn new(endpoint: endpoint_server::Client) -> Result<Self> {
        let minter = Minter::new(handle(endpoint.as_client_hook())?)?;
        Ok(Self { _minter: Some(minter), ..Self::beside_others(endpoint)? })
    }

    /// The same beside other threads. Before this one passes anything out, it has to serve an endpoint of its own.
    pub(crate) fn beside_others(endpoint: endpoint_server::Client) -> Result<Self> {
        let receiver = receiver::open(handle(endpoint.as_client_hook())?, MESSAGE_BYTES)?;
        Ok(Self { receiver, _minter: None, _endpoint: endpoint, _owner: None })
    }

    /// The same on a new endpoint that the program's own ledger pays for: for a program that offers nothing, but passes
    /// objects out.
    pub async fn create() -> Result<Self> {
        let answer = slot::<ledger::Client>("ledger")?.create_endpoint_request().send().promise.await?;
        let owner = answer.get()?.get_endpoint()?;
        let answer = owner.server_request().send().promise.await?;
        let service = Self::new(answer.get()?.get_server()?)?;
        Ok(Self { _owner: Some(owner), ..service })
    }

    /// Serves the owner's objects of `C`, the one with this key or all, by `server`.
    pub fn bind<C: FromServer<S> + HasTypeId, S>(&self, key: Option<u64>, server: impl Into<Rc<S>>) {
        receiver::bind(self.receiver, C::TYPE_ID, key, object::dispatcher::<C, S>(server.into()));
    }

    /// The same, but only `limit` calls of each object at the same time; those beyond are refused before the server sees them.
    pub fn bind_limited<C: FromServer<S> + HasTypeId, S>(
        &self,
        key: Option<u64>,
        limit: u32,
        server: impl Into<Rc<S>>,
    ) {
        let server = limited(limit, object::dispatcher::<C, S>(server.into()));
        receiver::bind(self.receiver, C::TYPE_ID, key, server);
    }

    /// Counts the calls with those of other threads that serve the same.
    pub fn share(&self, load: Arc<Load>) {
        receiver::share(self.receiver, load);
    }

    /// Receives calls until [`Service::stop`].
    pub async fn run(&self) -> Result<()> {
        receiver::ended(self.receiver).await
    }

    /// Refuses what comes from now on, serves what was delivered to its end, and stops receiving.
    pub fn stop(&self) {
        receiver::stop(self.receiver);
    }
}

/// The right of a thread to mint on an endpoint.
struct Minter(Handle);

impl Minter {
    fn new(endpoint: Handle) -> Result<Self> {
        let (mut minters, own) = (MINTED_ON.lock().unwrap_or_else(PoisonError::into_inner), thread::current().id());
        match *minters.entry(endpoint).or_insert(own) == own {
            true => Ok(Self(endpoint)),
            false => Err(Error::failed(SERVED_TWICE.into())),
        }
    }
}

impl Drop for Minter {
    fn drop(&mut self) {
        MINTED_ON.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}
