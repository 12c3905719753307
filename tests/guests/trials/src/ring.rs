//! Programs attack the kernel through their rings, with what does not end them, and with everything that they hold.

use crate::Trial;
use crate::attackers::{QUOTA, outcome, spawn};
use campaign::PATIENCE;
use capos_service::spawn::{create_ledger, reclaim};
use capos_service::{Failure, sleep, slot};
use futures_lite::future::or;
use schema::process_capnp::process::Outcome;
use std::time::Duration;

/// The program.
const PROGRAM: &str = "hostile-ring";
/// Entries of one program at most.
const ENTRIES: u64 = 20_000;
/// How long a program lives at most that attacks with everything that it holds.
const LIFE: Duration = Duration::from_millis(300);

/// So many entries by programs that live, and as many, or until they end, by programs that may end by them.
pub async fn run(trial: &Trial) -> Result<(), Failure> {
    let mut left = trial.left.take();
    while left > 0 {
        let count = left.min(ENTRIES);
        left -= attack(trial, count).await?.min(left);
        attack_with_all(trial, count).await?;
    }
    Ok(())
}

/// Entries that were started by a program without what it lives by. It ends itself only if a changed handle is by chance that of
/// its ledger; then it does not count.
async fn attack(trial: &Trial, count: u64) -> Result<u64, Failure> {
    let ledger = create_ledger(&slot("ledger")?, QUOTA).await?;
    let process = spawn(trial, PROGRAM, count, &ledger)?.start().await?;
    let hung = async {
        sleep(PATIENCE).await?;
        Err("an attacker neither attacks nor ends".into())
    };
    let outcome = or(outcome(&process), hung).await?;
    reclaim(&ledger).await?;
    match outcome {
        (Outcome::Exited, started @ 1..) => Ok(started as u64),
        (Outcome::Exited, _) => Err("an attacker could not begin".into()),
        _ => Ok(0),
    }
}

async fn attack_with_all(trial: &Trial, count: u64) -> Result<(), Failure> {
    let ledger = create_ledger(&slot("ledger")?, QUOTA).await?;
    let process = spawn(trial, PROGRAM, count, &ledger)?.argument("all").start().await?;
    let ended = async { outcome(&process).await.map(drop) };
    or(ended, async { Ok(sleep(LIFE).await?) }).await?;
    Ok(reclaim(&ledger).await?)
}
