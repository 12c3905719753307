//! What a program was given.
use crate::{Failure, Service, slot::slot as capability};
use capnp::capability::{FromClientHook, FromServer};
use capnp::traits::HasTypeId;
use capos_abi::startup::slot;
use capos_rt::startup;
use std::cell::OnceCell;
use std::rc::Rc;

/// Slot of the endpoint on which the program serves what it offers.
const ENDPOINT: &str = "endpoint";

/// Slots that are not filled by the system's description.
const OWN: [&str; 6] = [slot::PROCESS, slot::LEDGER, slot::MEMORY, slot::THREAD, slot::HANDLES, ENDPOINT];

/// The program's slots and arguments, and the endpoint that it serves.
#[derive(Default)]
pub struct Context {
    service: OnceCell<Service>,
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

    /// Receives calls until the service is stopped.
    pub async fn serve(&self) -> Result<(), Failure> {
        Ok(self.service()?.run().await?)
    }

    /// The service on the program's own endpoint.
    pub fn service(&self) -> Result<&Service, Failure> {
        if self.service.get().is_none() {
            let _ = self.service.set(Service::new(capability(ENDPOINT)?)?);
        }
        self.service.get().ok_or_else(|| "the endpoint is not served".into())
    }
}
