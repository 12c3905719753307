//! A program that was started for a campaign: it is told to stop, killed, or waited for.

use capos_service::spawn::{Quota, Spawn, create_ledger};
use capos_service::{Failure, slot};
use schema::clock_capnp::clock;
use schema::kernel_log_capnp::log_sink;
use schema::ledger_capnp::ledger;
use schema::memory_object_capnp::memory_reader;
use schema::notification_capnp::notification;
use schema::process_capnp::process::{self, Outcome};

/// A program that was started, on a ledger of its own.
pub struct Player {
    process: process::Client,
    signals: notification::Client,
    ledger: ledger::Client,
}

impl Player {
    /// The bit of its signals by which it is told to come to its end.
    pub const STOP: u64 = 1;

    /// Starts a program with clock, log and signals, and what `grants` adds.
    pub async fn start(
        binary: &memory_reader::Client,
        name: &str,
        quota: Quota,
        grants: impl FnOnce(Spawn) -> Spawn,
    ) -> Result<Player, Failure> {
        let own: ledger::Client = slot("ledger")?;
        let signals = own.create_notification_request().send().promise.await?.get()?.get_notification()?;
        let spawn = Spawn::new(binary, name).grant("signals", signals.clone());
        let spawn =
            spawn.grant("clock", slot::<clock::Client>("clock")?).grant("log", slot::<log_sink::Client>("log")?);
        let ledger = create_ledger(&own, quota).await?;
        let process = grants(spawn).ledger(ledger.clone()).start().await?;
        Ok(Player { process, signals, ledger })
    }

    /// Its process.
    pub fn process(&self) -> &process::Client {
        &self.process
    }

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
        request.get().set_bits(Self::STOP);
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
