//! Programs use up what they may: each thing by itself, and all of it by programs and threads that start more of their kind.

use crate::Trial;
use crate::attackers::outcome;
use crate::glutton::Appetite;
use crate::victim::{self, QUOTA, Role};
use campaign::PATIENCE;
use capnp::capability::FromClientHook;
use capnp::{Error, ErrorKind};
use capos_service::spawn::{SpawnError, create_ledger, reclaim};
use capos_service::{CallFailure, Failure, deadline_in, handle, slot};
use schema::ledger_capnp::ledger;
use schema::notification_capnp::notification;
use schema::process_capnp::process::Outcome;
use std::future::pending;
use std::thread;

/// Bit of a bomb's notification: one of its kind was refused for want of something.
const FULL: u64 = 1;
/// Bytes of the stack of a bomb's thread.
const STACK_BYTES: usize = 64 << 10;

/// So many rounds of all.
pub async fn run(trial: &Trial) -> Result<(), Failure> {
    while trial.goes_on() {
        for appetite in Appetite::ALL {
            feed(appetite).await?;
        }
        for bomb in [Role::ProcessBomb, Role::ThreadBomb] {
            explode(bomb).await?;
        }
    }
    Ok(())
}

async fn feed(appetite: Appetite) -> Result<(), Failure> {
    let ledger = create_ledger(&slot("ledger")?, appetite.quota()).await?;
    let glutton = victim::prepare(Role::Glutton, ledger)?.argument(&format!("appetite={appetite:?}"));
    if outcome(&glutton.start().await?).await? != (Outcome::Exited, 0) {
        return Err(format!("a program that uses up all {appetite:?} ended otherwise than it must").into());
    }
    Ok(())
}

/// Waits until nothing more of its kind can be started, then clears up.
async fn explode(bomb: Role) -> Result<(), Failure> {
    let ledger = create_ledger(&slot("ledger")?, QUOTA).await?;
    let reply = slot::<ledger::Client>("ledger")?.create_notification_request().send().promise.await?;
    let signals = reply.get()?.get_notification()?;
    let waits = handle(signals.as_client_hook())?;
    victim::prepare(bomb, ledger.clone())?.grant("signals", signals.clone()).start().await?;
    let full = capos_rt::wait::notification(waits, FULL, deadline_in(PATIENCE)?).await;
    full.map_err(|_| format!("{bomb:?}: nobody was refused anything"))?;
    Ok(reclaim(&ledger).await?)
}

/// What [`Role::ProcessBomb`] does: starts programs that do the same, until one cannot be started.
pub async fn process_bomb() -> Result<(), Failure> {
    let signals: notification::Client = slot("signals")?;
    loop {
        let again = victim::prepare(Role::ProcessBomb, slot("ledger")?)?.grant("signals", signals.clone());
        match again.start().await {
            Ok(_) => {}
            Err(SpawnError::Refused(error)) if error.kind == ErrorKind::Overloaded => {
                check_sentence(&error).await?;
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    say_full().await?;
    pending().await
}

/// The error of a call that was refused for want of something names this program's ledger, and more than was left.
async fn check_sentence(error: &Error) -> Result<(), Failure> {
    let said = CallFailure::of(error).exhausted().ok_or_else(|| format!("refused, but: {error}"))?;
    let reply = slot::<ledger::Client>("ledger")?.inspect_request().send().promise.await?;
    if said.ledger == Some(reply.get()?.get_number()) && said.requested > said.remaining {
        return Ok(());
    }
    Err(format!("{said}, but ledger {} was charged", reply.get()?.get_number()).into())
}

/// What [`Role::ThreadBomb`] does: the same with threads.
pub async fn thread_bomb() -> Result<(), Failure> {
    while thread::Builder::new().stack_size(STACK_BYTES).spawn(multiply).is_ok() {}
    say_full().await?;
    pending().await
}

fn multiply() {
    while thread::Builder::new().stack_size(STACK_BYTES).spawn(multiply).is_ok() {}
    loop {
        thread::park();
    }
}

async fn say_full() -> Result<(), Failure> {
    let mut request = slot::<notification::Client>("signals")?.signal_request();
    request.get().set_bits(FULL);
    Ok(request.send().promise.await.map(drop)?)
}
