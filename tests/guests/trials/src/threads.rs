//! Threads start and end: joined, left alone, woken, or all at once with their process.

use crate::Trial;
use crate::attackers::outcome;
use crate::victim::{self, Role};
use campaign::{PATIENCE, argument};
use capos_service::spawn::{Quota, create_ledger};
use capos_service::time::now;
use capos_service::{Failure, sleep, slot};
use fastrand::Rng;
use schema::ledger_capnp::ledger;
use schema::process_capnp::process::Outcome;
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Threads that are alive together at most.
const TEAM: usize = 16;
/// Pages of a stack at least and at most.
const STACK_PAGES: std::ops::RangeInclusive<usize> = 16..=64;
const PAGE_BYTES: usize = 4096;
/// What the process may use in which they start and end: too little for a thread that leaves something behind.
const TEAM_QUOTA: Quota = Quota { frames: 4_096, handles: 64, objects: 8, threads: 2 * TEAM as u64 };
/// Time between two looks at what is charged.
const INTERVAL: Duration = Duration::from_millis(5);

/// How a thread ends.
#[derive(Clone, Copy)]
enum End {
    /// By itself, then it is joined.
    Joined,
    /// By itself, and nobody asks.
    Alone,
    /// When it is woken.
    Woken,
}

const ENDS: [End; 3] = [End::Joined, End::Alone, End::Woken];

/// Has so many threads started and ended in a process of their own, and meanwhile as many killed with their processes.
pub async fn run(trial: &Trial) -> Result<(), Failure> {
    let count = trial.left.take();
    let ledger = create_ledger(&slot("ledger")?, TEAM_QUOTA).await?;
    let seed = trial.random.borrow_mut().u64(..);
    let teams = victim::prepare(Role::Teams, ledger)?;
    let teams = teams.argument(&format!("count={count}")).argument(&format!("seed={seed}")).start().await?;
    for _ in 0..count / victim::CROWD as u64 {
        kill_a_crowd(trial).await?;
    }
    if outcome(&teams).await? != (Outcome::Exited, 0) {
        return Err("the teams did not end well".into());
    }
    Ok(())
}

/// A process with many threads is killed.
async fn kill_a_crowd(trial: &Trial) -> Result<(), Failure> {
    let ledger = create_ledger(&slot("ledger")?, victim::QUOTA).await?;
    let process = victim::start(Role::Crowd, ledger).await?;
    trial.moment().await?;
    process.kill_request().send().promise.await?;
    if outcome(&process).await?.0 != Outcome::Killed {
        return Err("a crowd has ended by itself".into());
    }
    Ok(())
}

/// What [`Role::Teams`] does: starts and ends threads of this process, until its ledger says that all are gone.
pub async fn teams() -> Result<(), Failure> {
    let mut left: usize = argument("count")?.ok_or("how many threads?")?;
    let mut random = Rng::with_seed(argument("seed")?.ok_or("which seed?")?);
    let before = charged().await?;
    while left > 0 {
        let size = random.usize(1..=TEAM).min(left);
        team(size, &mut random)?;
        left -= size;
        // Those that nobody joins may not be more than the ledger allows.
        settle(before).await?;
    }
    Ok(())
}

/// Handles, objects and threads that are charged to this process.
async fn charged() -> Result<[u64; 3], Failure> {
    let reply = slot::<ledger::Client>("ledger")?.inspect_request().send().promise.await?;
    let ledger = reply.get()?;
    Ok([ledger.get_handles_used(), ledger.get_objects_used(), ledger.get_threads_used()])
}

/// Waits until no more than `before` is charged; without the threads that the runtime keeps for the next spawn.
async fn settle(before: [u64; 3]) -> Result<(), Failure> {
    let end = now()? + PATIENCE.as_nanos() as u64;
    capos_rt::thread::give_back();
    while charged().await? != before {
        if now()? > end {
            return Err(format!("{before:?} were charged before, {:?} stay", charged().await?).into());
        }
        sleep(INTERVAL).await?;
        capos_rt::thread::give_back();
    }
    Ok(())
}

fn team(size: usize, random: &mut Rng) -> Result<(), Failure> {
    let mut members = Vec::with_capacity(size);
    for number in 0..size {
        let end = ENDS[random.usize(..ENDS.len())];
        let builder = thread::Builder::new().stack_size(random.usize(STACK_PAGES) * PAGE_BYTES);
        let thread = builder.spawn(move || {
            if let End::Woken = end {
                thread::park();
            }
            number
        })?;
        match end {
            End::Alone => drop(thread),
            End::Joined | End::Woken => members.push((number, thread)),
        }
    }
    members.into_iter().try_for_each(|(number, thread)| join(number, thread))
}

fn join(number: usize, thread: JoinHandle<usize>) -> Result<(), Failure> {
    thread.thread().unpark();
    match thread.join() {
        Ok(answer) if answer == number => Ok(()),
        _ => Err("a thread gave another answer than its own".into()),
    }
}
