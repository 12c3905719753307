//! What is charged and what is free, before and after: whatever happened in between, nothing may be missing.

use crate::PATIENCE;
use capos_service::time::now;
use capos_service::{Failure, sleep};
use schema::ledger_capnp::ledger;
use schema::system_control_capnp::system_status;
use std::fmt;
use std::time::Duration;

/// Time between two looks.
const INTERVAL: Duration = Duration::from_millis(10);

/// Where to read: a ledger, and the machine.
pub struct Books {
    /// The ledger.
    pub ledger: ledger::Client,
    /// The machine.
    pub machine: system_status::Client,
}

/// What is charged to a ledger, and what the machine has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// Frames, handles, objects and threads that are charged to the ledger.
    pub used: [u64; 4],
    /// Frames of the machine in which nothing is stored.
    pub free_frames: u64,
    /// Processes of the machine.
    pub processes: u32,
}

impl Books {
    /// The balance now.
    pub async fn balance(&self) -> Result<Balance, Failure> {
        let reply = self.ledger.inspect_request().send().promise.await?;
        let ledger = reply.get()?;
        let used =
            [ledger.get_frames_used(), ledger.get_handles_used(), ledger.get_objects_used(), ledger.get_threads_used()];
        let reply = self.machine.describe_request().send().promise.await?;
        let machine = reply.get()?;
        Ok(Balance { used, free_frames: machine.get_free_frames(), processes: machine.get_processes() })
    }

    /// Waits until the balance is exactly what it was: what has ended is put away in steps. If it stays another, that is an error.
    pub async fn settle(&self, before: &Balance) -> Result<(), Failure> {
        let end = now()? + PATIENCE.as_nanos() as u64;
        loop {
            let balance = self.balance().await?;
            if balance == *before {
                return Ok(());
            }
            if now()? > end {
                return Err(format!("the balance was {before} and stays {balance}").into());
            }
            sleep(INTERVAL).await?;
        }
    }
}

impl fmt::Display for Balance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Balance { used: [frames, handles, objects, threads], free_frames, processes } = self;
        write!(
            formatter,
            "{frames} frames, {handles} handles, {objects} objects, {threads} threads used, {free_frames} frames free, \
             {processes} processes"
        )
    }
}
