//! Programs are ended at random instants, whatever they are doing: computing, waiting, calling, receiving, standing at a fault,
//! suspended, starting others, or being filled.

use crate::Trial;
use crate::unborn;
use crate::victim::{self, QUOTA, Role};
use capos_service::spawn::{create_ledger, reclaim};
use capos_service::{Failure, slot};
use futures_lite::future::zip;
use schema::ledger_capnp::ledger;
use schema::process_capnp::process::{self, Outcome};

/// How a victim is ended.
#[derive(Clone, Copy, Debug)]
enum End {
    /// Killed.
    Kill,
    /// Suspended, then killed.
    Suspended,
    /// Suspended and resumed, then killed.
    Resumed,
    /// With everything that its ledger pays for.
    Reclaim,
}

const ENDS: [End; 4] = [End::Kill, End::Suspended, End::Resumed, End::Reclaim];

/// One of so many is ended before it was started.
const UNBORN_EVERY: u8 = 6;

/// Starts and ends victims, several at a time.
pub async fn run(trial: &Trial) -> Result<(), Failure> {
    let hunters = zip(zip(hunt(trial), hunt(trial)), zip(hunt(trial), hunt(trial))).await;
    let ((first, second), (third, fourth)) = hunters;
    first.and(second).and(third).and(fourth)
}

async fn hunt(trial: &Trial) -> Result<(), Failure> {
    while trial.goes_on() {
        if trial.random.borrow_mut().u8(..UNBORN_EVERY) == 0 {
            unborn::run(trial).await?;
            continue;
        }
        let (role, end) = (trial.one_of(Role::victims()), trial.one_of(&ENDS));
        hunt_one(trial, role, end).await.map_err(|failure| format!("{role:?}, {end:?}: {}", failure.text()))?;
    }
    Ok(())
}

async fn hunt_one(trial: &Trial, role: Role, end: End) -> Result<(), Failure> {
    let ledger = create_ledger(&slot("ledger")?, QUOTA).await?;
    let process = victim::start(role, ledger.clone()).await?;
    // It is too late for who has faulted already.
    let _handler = match role {
        Role::Fault => process.handle_faults_request().send().promise.await.ok(),
        _ => None,
    };
    trial.moment().await?;
    finish(trial, end, &process, &ledger).await?;
    let reply = process.wait_request().send().promise.await?;
    let outcome = reply.get()?.get_outcome()?;
    let may_be = match (role, end) {
        // A program may do whatever it likes when it gets nothing any more.
        (_, End::Reclaim) => true,
        (Role::Exit, _) => outcome != Outcome::Faulted,
        (Role::Fault, _) => outcome != Outcome::Exited,
        _ => outcome == Outcome::Killed,
    };
    if !may_be {
        return Err(format!("the victim's outcome is {outcome:?}, code {}", reply.get()?.get_code()).into());
    }
    match role {
        // Its children live on.
        Role::Family => Ok(reclaim(&ledger).await?),
        _ => Ok(()),
    }
}

async fn finish(trial: &Trial, end: End, process: &process::Client, ledger: &ledger::Client) -> Result<(), Failure> {
    if let End::Suspended | End::Resumed = end {
        // Refused if it has ended.
        let _ = process.suspend_request().send().promise.await;
        trial.moment().await?;
    }
    if let End::Resumed = end {
        let _ = process.resume_request().send().promise.await;
        trial.moment().await?;
    }
    match end {
        End::Reclaim => Ok(reclaim(ledger).await?),
        _ => Ok(process.kill_request().send().promise.await.map(drop)?),
    }
}
