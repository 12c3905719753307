//! Programs that attack, and what they get to do it with.

use crate::Trial;
use capos_service::spawn::{Quota, Spawn};
use capos_service::{Failure, any_slot, slot};
use schema::ledger_capnp::ledger;
use schema::process_capnp::process::{self, Outcome};

/// What an attacker may use.
pub const QUOTA: Quota = Quota { frames: 2_048, handles: 512, objects: 160, threads: 16 };
/// Slots of the own program that an attacker is given.
const SLOTS: [&str; 3] = ["clock", "log", "null"];

/// An attacker about to be started, whose program file is in the slot of its name.
pub fn spawn(trial: &Trial, name: &str, count: u64, ledger: &ledger::Client) -> Result<Spawn, Failure> {
    let seed = trial.random.borrow_mut().u64(..);
    let mut spawn = Spawn::new(&slot(name)?, name).ledger(ledger.clone());
    for name in SLOTS {
        let (interface, capability) = any_slot(name)?;
        spawn = spawn.grant_as(name, interface, capability);
    }
    Ok(spawn.argument(&format!("count={count}")).argument(&format!("seed={seed}")))
}

/// Waits for its end.
pub async fn outcome(process: &process::Client) -> Result<(Outcome, i32), Failure> {
    let reply = process.wait_request().send().promise.await?;
    Ok((reply.get()?.get_outcome()?, reply.get()?.get_code()))
}
