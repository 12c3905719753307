//! Takes the slots, admits a person, starts the person's shell, again and again.
mod accounts;
mod person;
mod session;

use std::process::ExitCode;

use accounts::Store;
use capos_service::spawn::{Quota, Spawn, create_ledger, reclaim};
use capos_service::{Context, Failure, any_slot, slot};
use login::dialogue::{Person, admit};
use person::AtTerminal;
use schema::memory_object_capnp::memory_reader;
use schema::terminal_capnp::terminal;
use session::Session;

/// Slots with this prefix go to the session, without it.
const SESSION: &str = "session/";
/// What a session may use up.
const SESSION_QUOTA: Quota = Quota { frames: 6144, handles: 512, objects: 256, threads: 16 };

/// Starts a shell in a new session, with what a session is given, waits for its end, and ends what it has started.
async fn serve(
    context: &Context,
    shell: &memory_reader::Client,
    terminal: &terminal::Client,
    name: &str,
) -> Result<(), Failure> {
    let session = Session::open(&context.take("sessions")?).await?;
    let ledger = create_ledger(&slot("ledger")?, SESSION_QUOTA).await?;
    let mut spawn = Spawn::new(shell, "shell").argument(name).ledger(ledger.clone()).session(session.member().await?);
    spawn = spawn.grant("terminal", terminal.clone());
    for (slot, _) in context.slots().filter(|(slot, _)| slot.starts_with(SESSION)) {
        let (interface, capability) = any_slot(slot)?;
        spawn = spawn.grant_as(&slot[SESSION.len()..], interface, capability);
    }
    spawn.start().await?.wait_request().send().promise.await?;
    session.end().await?;
    Ok(reclaim(&ledger).await?)
}

async fn keep_the_door(context: Context) -> Result<(), Failure> {
    let terminal: terminal::Client = context.take("terminal")?;
    let (person, accounts) = (AtTerminal(terminal.clone()), Store(context.take("credentials")?));
    let shell = context.take("shell")?;
    loop {
        let name = admit(&person, &accounts).await?;
        person.say(&format!("Welcome, {name}. `caps` shows what you hold, `help` what you can do.\n")).await?;
        if let Err(failure) = serve(&context, &shell, &terminal, &name).await {
            person.say(&format!("The shell could not be started: {}.\n", failure.text())).await?;
        }
        person.say("\n").await?;
    }
}

fn main() -> ExitCode {
    capos_service::run(keep_the_door)
}
