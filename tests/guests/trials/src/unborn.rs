//! A process that is ended while it is being filled, after so many steps as chance will have.

use crate::Trial;
use crate::victim::QUOTA;
use capos_service::mapping::{Part, map, zeroed};
use capos_service::spawn::{create_ledger, reclaim};
use capos_service::{Failure, any_slot, slot};
use schema::ledger_capnp::ledger;
use schema::memory_object_capnp::memory_reader;
use schema::process_capnp::process::{self, Outcome};
use schema::virtual_memory_capnp::virtual_memory::{self, Access};

/// Bytes of memory that it gets at each step that gives it some.
const BYTES: u64 = 256 << 10;
/// Steps at most.
const STEPS: usize = 12;

/// What is done to it while it does not run.
#[derive(Clone, Copy)]
enum Step {
    Commit,
    Map,
    Thread,
    Grant,
}

const CHOICE: [Step; 4] = [Step::Commit, Step::Map, Step::Thread, Step::Grant];

/// How it comes to its end.
#[derive(Clone, Copy, PartialEq)]
enum End {
    /// Killed.
    Kill,
    /// Nobody holds it any more.
    Forgotten,
    /// With everything that its ledger pays for.
    Reclaim,
    /// Started: there is nothing at its entry.
    Start,
}

const ENDS: [End; 4] = [End::Kill, End::Forgotten, End::Reclaim, End::Start];

/// One such process.
pub async fn run(trial: &Trial) -> Result<(), Failure> {
    let ledger = create_ledger(&slot("ledger")?, QUOTA).await?;
    let reply = ledger.create_process_request().send().promise.await?;
    let (process, memory) = (reply.get()?.get_process()?, reply.get()?.get_memory()?);
    let steps = trial.random.borrow_mut().usize(..STEPS);
    let mut threads = 0;
    for _ in 0..steps {
        let step = trial.one_of(&CHOICE);
        threads += usize::from(matches!(step, Step::Thread));
        fill(step, &ledger, &process, &memory).await?;
    }
    let end = trial.one_of(&ENDS);
    match end {
        End::Kill => drop(process.kill_request().send().promise.await?),
        End::Reclaim => reclaim(&ledger).await?,
        End::Start if threads > 0 => drop(process.start_request().send().promise.await?),
        End::Forgotten | End::Start => return Ok(()),
    }
    let reply = process.wait_request().send().promise.await?;
    let expected = if end == End::Start { Outcome::Faulted } else { Outcome::Killed };
    if reply.get()?.get_outcome()? != expected {
        return Err("a process that was never filled ended otherwise than it must".into());
    }
    Ok(())
}

async fn fill(
    step: Step,
    ledger: &ledger::Client,
    process: &process::Client,
    memory: &virtual_memory::Client,
) -> Result<(), Failure> {
    match step {
        Step::Commit => drop(zeroed(memory, 0, 0, BYTES)?),
        Step::Map => {
            let object: memory_reader::Client = slot("victim")?;
            map(memory, object, Part { offset: 0, bytes: BYTES, address: 0, access: Access::ReadExecute })?;
        }
        Step::Thread => {
            let mut request = ledger.create_thread_request();
            request.get().set_process(process.clone());
            request.send().promise.await?;
        }
        Step::Grant => {
            let mut request = process.grant_request();
            request.get().init_capability().set_as_capability(any_slot("workshop")?.1);
            request.send().promise.await?;
        }
    }
    Ok(())
}
