//! A program calls through handles that it was never given.

use crate::Trial;
use crate::attackers::{QUOTA, outcome, spawn};
use capos_service::spawn::create_ledger;
use capos_service::{Failure, slot};
use schema::process_capnp::process::Outcome;

/// So many handles. None may work.
pub async fn run(trial: &Trial) -> Result<(), Failure> {
    let count = trial.left.take();
    let ledger = create_ledger(&slot("ledger")?, QUOTA).await?;
    let process = spawn(trial, "hostile-handles", count, &ledger)?.start().await?;
    if outcome(&process).await? != (Outcome::Exited, 0) {
        return Err("a forged handle works".into());
    }
    Ok(())
}
