//! All programs: started in order, each with exactly what is routed to it, and watched.

use crate::given::{Capability, Given, boot_entry};
use crate::unit::{State, Unit};
use capnp::Error;
use capos_service::spawn::{Spawn, SpawnError, reclaim};
use capos_service::{sleep, time};
use init::manifest::{Program, Source};
use init::restart::Verdict;
use schema::process_capnp::process;
use std::rc::Rc;
use std::time::Duration;

/// Slot of the endpoint that a program serves.
const ENDPOINT: &str = "endpoint";

/// The programs, in starting order.
pub struct System {
    /// Each with its instances.
    pub units: Vec<Unit>,
    given: Given,
    supervisor: Capability,
}

/// The end of an instance.
struct End {
    failed: bool,
    words: String,
}

impl System {
    /// Makes what outlives the programs' instances; `supervisor` is given where a route says so.
    pub async fn new(programs: Vec<Program>, supervisor: Capability) -> Result<System, Error> {
        let mut units = Vec::new();
        for program in programs {
            units.push(Unit::new(program).await?);
        }
        Ok(System { units, given: Given::default(), supervisor })
    }

    /// Starts all programs and leaves each to a task that watches it.
    pub async fn start(self: &Rc<System>) {
        for index in 0..self.units.len() {
            let first = self.try_start(index).await;
            let system = self.clone();
            capos_service::spawn_local(async move { system.supervise(index, first).await });
        }
    }

    /// Follows one program until it ends for good; `end` is set if its first instance did not start.
    async fn supervise(&self, index: usize, mut end: Option<End>) {
        let unit = &self.units[index];
        let name = &unit.program.name;
        loop {
            let end_now = match end.take() {
                Some(end) => end,
                None => self.wait(unit).await,
            };
            *unit.last_end.borrow_mut() = end_now.words.clone();
            // What it has started goes with it, and the next instance finds its ledger empty.
            if let Err(error) = reclaim(&unit.ledger).await {
                println!("{name}: what it left behind could not be reclaimed: {error}");
            }
            let now = Duration::from_nanos(time::now().unwrap_or_default());
            let verdict = unit.policy.borrow_mut().ended(end_now.failed, now);
            let Verdict::Again(back_off) = verdict else {
                *unit.state.borrow_mut() = State::Ended;
                let remark = if verdict == Verdict::GiveUp { "; it ended too often and is given up" } else { "" };
                return println!("{name}: {}{remark}", end_now.words);
            };
            *unit.state.borrow_mut() = State::Waiting;
            println!("{name}: {}; it is started again in {} ms", end_now.words, back_off.as_millis());
            // Without a clock, which init always has, there is no wait.
            let _ = sleep(back_off).await;
            unit.restarts.set(unit.restarts.get() + 1);
            end = self.try_start(index).await;
        }
    }

    /// Starts an instance; gives its end if it did not get that far.
    async fn try_start(&self, index: usize) -> Option<End> {
        let unit = &self.units[index];
        match self.instance(unit).await {
            Ok(process) => {
                *unit.state.borrow_mut() = State::Running(process);
                None
            }
            Err(error) => Some(End { failed: true, words: format!("could not be started: {error}") }),
        }
    }

    async fn instance(&self, unit: &Unit) -> Result<process::Client, SpawnError> {
        let program = &unit.program;
        let mut spawn = Spawn::new(&boot_entry(&program.binary)?, &program.name).ledger(unit.ledger.clone());
        for argument in &program.arguments {
            spawn = spawn.argument(argument);
        }
        if let Some(endpoint) = &unit.endpoint {
            spawn = spawn.grant(ENDPOINT, endpoint.clone());
        }
        for grant in &program.grants {
            spawn = spawn.grant_as(&grant.slot, grant.interface, self.source(&grant.source).await?);
        }
        spawn.start().await
    }

    async fn source(&self, source: &Source) -> Result<Capability, Error> {
        match source {
            Source::Offer(program, offer) => Ok(self.units[*program].objects[*offer].add_ref()),
            Source::Binary(name) => Ok(capnp::capability::FromClientHook::into_client_hook(boot_entry(name)?)),
            Source::Kernel(part) => self.given.part(*part).await,
            Source::Supervisor => Ok(self.supervisor.add_ref()),
        }
    }

    async fn wait(&self, unit: &Unit) -> End {
        let ended = match unit.process() {
            Some(process) => wait(&process).await,
            None => Err(Error::failed("it does not run".into())),
        };
        ended.unwrap_or_else(|error| End { failed: true, words: format!("was lost: {error}") })
    }
}

async fn wait(process: &process::Client) -> Result<End, Error> {
    let reply = process.wait_request().send().promise.await?;
    let end = reply.get()?;
    let words = match end.get_outcome()? {
        process::Outcome::Exited => format!("exited with code {}", end.get_code()),
        process::Outcome::Killed => "was killed".into(),
        process::Outcome::Faulted => {
            let (fault, address, instruction) = (end.get_fault()?, end.get_address(), end.get_instruction());
            format!("faulted: {fault:?} at address {address:#x}, instruction {instruction:#x}")
        }
    };
    let failed = end.get_outcome()? != process::Outcome::Exited || end.get_code() != 0;
    Ok(End { failed, words })
}
