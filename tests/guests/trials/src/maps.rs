//! A program makes an address map of tens of thousands of ranges, changes them together, and ends with them.

use crate::attackers::outcome;
use crate::victim::{self, Role};
use crate::{Trial, patchwork};
use capos_service::spawn::{create_ledger, reclaim};
use capos_service::{Failure, slot};
use schema::process_capnp::process::Outcome;

/// So many times, on a ledger that is reclaimed then.
pub async fn run(trial: &Trial) -> Result<(), Failure> {
    while trial.goes_on() {
        let ledger = create_ledger(&slot("ledger")?, patchwork::QUOTA).await?;
        let process = victim::start(Role::Patchwork, ledger.clone()).await?;
        if outcome(&process).await? != (Outcome::Exited, 0) {
            return Err("a program with many ranges ended otherwise than it must".into());
        }
        reclaim(&ledger).await?;
    }
    Ok(())
}
