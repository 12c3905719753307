//! All programs: started in order, each with exactly what is routed to it, and watched.

use crate::given::{Capability, Given, boot_entry};
use crate::unit::{State, Unit};
use capnp::Error;
use capos_service::spawn::{Spawn, SpawnError, reclaim};
use capos_service::{sleep, time};
use init::manifest::{Program, Source};
use init::restart::Verdict;
use schema::process_capnp::process;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// Slot of the endpoint that a program serves.
const ENDPOINT: &str = "endpoint";

/// Between two looks at whether a program that ended is known to have ended.
const MOMENT: Duration = Duration::from_millis(1);

/// The programs, in starting order.
pub struct System {
    /// Each with its instances.
    pub units: Vec<Unit>,
    /// Whether the machine is about to end: nothing is started again.
    pub ending: Cell<bool>,
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
        Ok(System { units, ending: Cell::new(false), given: Given::default(), supervisor })
    }

    /// Starts all programs, each when those that it uses serve, and leaves each to a task that watches it.
    pub async fn start(self: &Rc<System>) {
        for index in 0..self.units.len() {
            self.wait_for_used(index).await;
            let first = self.try_start(index).await;
            self.watch_ready(index);
            let system = self.clone();
            capos_service::spawn_local(async move { system.supervise(index, first).await });
        }
    }

    /// Notes when the present instance serves.
    fn watch_ready(self: &Rc<System>, index: usize) {
        let system = self.clone();
        capos_service::spawn_local(async move { drop(system.units[index].wait_ready().await) });
    }

    /// Waits until the services that a program uses are ready, so far as they get there.
    async fn wait_for_used(&self, index: usize) {
        for grant in &self.units[index].program.grants {
            let Source::Offer(used, _) = grant.source else { continue };
            if !matches!(self.units[used].wait_ready().await, Ok(true)) {
                let (user, used) = (&self.units[index].program.name, &self.units[used].program.name);
                println!("{used} does not serve yet; {user}, which uses it, is started all the same");
            }
        }
    }

    /// Stops every program, those that use others first.
    pub async fn stop(&self, patience: Duration) {
        self.ending.set(true);
        for unit in self.units.iter().rev().filter(|unit| unit.process().is_some()) {
            if let Err(error) = unit.stop(patience).await {
                println!("{} could not be stopped: {error}", unit.program.name);
            }
            // Who watches it says how it ended.
            while unit.process().is_some() && sleep(MOMENT).await.is_ok() {}
        }
    }

    /// Follows one program until it ends for good; `end` is set if its first instance did not start.
    async fn supervise(self: &Rc<System>, index: usize, mut end: Option<End>) {
        let unit = &self.units[index];
        let name = &unit.program.name;
        loop {
            let end_now = match end.take() {
                Some(end) => end,
                None => self.wait(unit).await,
            };
            *unit.last_end.borrow_mut() = end_now.words.clone();
            unit.ready.set(false);
            // What it has started goes with it, and the next instance finds its ledger empty.
            if let Err(error) = reclaim(&unit.ledger).await {
                println!("{name}: what it left behind could not be reclaimed: {error}");
            }
            let verdict = self.verdict(unit, end_now.failed);
            let Verdict::Again(back_off) = verdict else {
                *unit.state.borrow_mut() = State::Ended;
                let remark = if verdict == Verdict::GiveUp { "; it ended too often and is given up" } else { "" };
                return println!("{name}: {}{remark}", end_now.words);
            };
            *unit.state.borrow_mut() = State::Waiting;
            println!("{name}: {}; it is started again in {} ms", end_now.words, back_off.as_millis());
            // Without a clock, which init always has, there is no wait.
            let _ = sleep(back_off).await;
            if self.ending.get() {
                return;
            }
            unit.restarts.set(unit.restarts.get() + 1);
            end = self.try_start(index).await;
            self.watch_ready(index);
        }
    }

    /// What to do now that an instance has ended.
    fn verdict(&self, unit: &Unit, failed: bool) -> Verdict {
        match (self.ending.get(), unit.again.take()) {
            (true, _) => Verdict::Done,
            (false, true) => Verdict::Again(Duration::ZERO),
            (false, false) => {
                let now = Duration::from_nanos(time::now().unwrap_or_default());
                unit.policy.borrow_mut().ended(failed, now)
            }
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
