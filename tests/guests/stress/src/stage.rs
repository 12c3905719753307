//! An endpoint, and programs that are started at it, told to stop, or killed: what a supervisor does.

use crate::protocol::{INTERFACE, MESSAGE_BYTES, STOP};
use campaign::{Balance, Books};
use capnp::private::capability::ClientHook;
use capos_service::spawn::{Quota, Spawn, create_ledger};
use capos_service::{Failure, sleep, slot};
use schema::clock_capnp::clock;
use schema::endpoint_capnp::{endpoint, endpoint_server};
use schema::kernel_log_capnp::log_sink;
use schema::ledger_capnp::ledger;
use schema::memory_object_capnp::memory_reader;
use schema::notification_capnp::notification;
use schema::process_capnp::process::{self, Outcome};
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

/// A program that was started.
pub struct Player {
    process: process::Client,
    signals: notification::Client,
    ledger: ledger::Client,
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
        let own: ledger::Client = slot("ledger")?;
        let signals = own.create_notification_request().send().promise.await?.get()?.get_notification()?;
        let spawn = Spawn::new(&self.binary, role).argument(role).argument(&format!("seed={seed}"));
        let spawn = spawn.grant("signals", signals.clone());
        let spawn =
            spawn.grant("clock", slot::<clock::Client>("clock")?).grant("log", slot::<log_sink::Client>("log")?);
        let ledger = create_ledger(&own, quota).await?;
        let process = grants(spawn).ledger(ledger.clone()).start().await?;
        Ok(Player { process, signals, ledger })
    }
}

impl Player {
    /// What it signals, and is told to stop by.
    pub fn signals(&self) -> &notification::Client {
        &self.signals
    }

    /// Frames, handles, objects and threads that it uses.
    pub async fn used(&self) -> Result<[u64; 4], Failure> {
        let reply = self.ledger.inspect_request().send().promise.await?;
        let used = reply.get()?;
        Ok([used.get_frames_used(), used.get_handles_used(), used.get_objects_used(), used.get_threads_used()])
    }

    /// Kills it, wherever it stands.
    pub async fn kill(self) -> Result<(), Failure> {
        self.process.kill_request().send().promise.await?;
        let end = self.process.wait_request().send().promise.await?;
        match end.get()?.get_outcome()? {
            Outcome::Killed => Ok(()),
            other => Err(format!("a program that was killed has ended otherwise: {other:?}").into()),
        }
    }

    /// Tells it to come to its end.
    pub async fn stop(self) -> Result<(), Failure> {
        let mut request = self.signals.signal_request();
        request.get().set_bits(STOP);
        request.send().promise.await?;
        self.ends_well().await
    }

    /// Waits until it has ended by itself, and well.
    pub async fn ends_well(self) -> Result<(), Failure> {
        let end = self.process.wait_request().send().promise.await?;
        let end = end.get()?;
        match (end.get_outcome()?, end.get_code()) {
            (Outcome::Exited, 0) => Ok(()),
            (outcome, code) => Err(format!("a program has ended badly: {outcome:?}, code {code}").into()),
        }
    }
}
