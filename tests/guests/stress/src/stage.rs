//! An endpoint, and programs that are started at it: what a supervisor does.

use crate::protocol::{INTERFACE, MESSAGE_BYTES};
use campaign::{Balance, Books, Player};
use capnp::private::capability::ClientHook;
use capos_service::spawn::{Quota, Spawn};
use capos_service::{Failure, sleep, slot};
use schema::endpoint_capnp::{endpoint, endpoint_server};
use schema::ledger_capnp::ledger;
use schema::memory_object_capnp::memory_reader;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// The balance once everything has been used for the first time: the own heap has grown, but all that was made since `first` is
/// put away.
pub async fn settled(books: &Books, first: &Balance) -> Result<Balance, Failure> {
    loop {
        let balance = books.balance().await?;
        if balance.used[1..] == first.used[1..] && balance.processes == first.processes {
            return Ok(balance);
        }
        sleep(INTERVAL).await?;
    }
}

/// What each program may use.
pub const QUOTA: Quota = Quota { frames: 1024, handles: 512, objects: 128, threads: 4 };

/// Bytes of a thread's stack.
const STACK_BYTES: usize = 128 << 10;

/// Starts a thread with a small stack: there are many.
pub fn thread<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> std::io::Result<JoinHandle<T>> {
    Builder::new().stack_size(STACK_BYTES).spawn(run)
}

/// Time between two looks at the balance.
pub const INTERVAL: Duration = Duration::from_millis(10);

/// The endpoint, and what programs need to be started at it.
pub struct Stage {
    binary: memory_reader::Client,
    endpoint: endpoint::Client,
    server: endpoint_server::Client,
}

impl Stage {
    /// A new endpoint, for instances of the program file in the slot `stress`.
    pub async fn new() -> Result<Stage, Failure> {
        let mut request = slot::<ledger::Client>("ledger")?.create_endpoint_request();
        request.get().set_max_message_bytes(MESSAGE_BYTES);
        let endpoint = request.send().promise.await?.get()?.get_endpoint()?;
        let server = endpoint.server_request().send().promise.await?.get()?.get_server()?;
        Ok(Stage { binary: slot("stress")?, endpoint, server })
    }

    /// An object that outlives its servers.
    pub async fn object(&self, key: u64) -> Result<Box<dyn ClientHook>, Failure> {
        self.object_of(INTERFACE, key).await
    }

    /// The same of another interface.
    pub async fn object_of(&self, interface: u64, key: u64) -> Result<Box<dyn ClientHook>, Failure> {
        let mut request = self.endpoint.mint_durable_request();
        request.get().set_interface_id(interface);
        request.get().set_key(key);
        Ok(request.send().promise.await?.get()?.get_object().get_as_capability()?)
    }

    /// Starts a server.
    pub async fn serve(&self, seed: u64) -> Result<Player, Failure> {
        self.start("server", seed, |spawn| self.lend(spawn)).await
    }

    /// Lends a server the endpoint.
    pub fn lend(&self, spawn: Spawn) -> Spawn {
        spawn.grant("endpoint", self.server.clone())
    }

    /// Starts a caller of this kind.
    pub async fn call(&self, kind: &str, object: &dyn ClientHook, seed: u64) -> Result<Player, Failure> {
        self.start(kind, seed, |spawn| spawn.grant_as("object", INTERFACE, object.add_ref())).await
    }

    /// Starts this same program in a role, with what it needs and what it is granted beside.
    pub async fn start(&self, role: &str, seed: u64, grants: impl FnOnce(Spawn) -> Spawn) -> Result<Player, Failure> {
        self.start_with(role, seed, QUOTA, grants).await
    }

    /// The same with another quota.
    pub async fn start_with(
        &self,
        role: &str,
        seed: u64,
        quota: Quota,
        grants: impl FnOnce(Spawn) -> Spawn,
    ) -> Result<Player, Failure> {
        let seed = format!("seed={seed}");
        Player::start(&self.binary, role, quota, |spawn| grants(spawn.argument(role).argument(&seed))).await
    }
}
