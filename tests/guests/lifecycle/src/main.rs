//! Does everything to programs that a holder of their processes can do, and says what held.

mod victim;

use capnp::capability::FromClientHook;
use capos_abi::status;
use capos_rt::raw::{self, Failure as Refused};
use capos_service::spawn::{Quota, Spawn, create_ledger, reclaim};
use capos_service::{Context, Failure, deadline_in, handle, sleep, slot};
use schema::ledger_capnp::ledger;
use schema::notification_capnp::notification;
use schema::process_capnp::{fault_handler, process};
use schema::scheduling_capnp::{scheduling_authority, scheduling_context};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use verdict::{check, complete};
use victim::{ALIVE, FORBIDDEN, GO, MARK, NOWHERE, PAGE_BYTES, SMALL_STACK_BYTES, WENT_ON};

/// Long enough for what runs to show it; what comes in spite of a test within it fails the test.
const MOMENT: Duration = Duration::from_millis(40);
/// How long something that must come may take on a busy host.
const PATIENCE: Duration = Duration::from_secs(60);
/// What the victims of one check may use.
const QUOTA: Quota = Quota { frames: 2048, handles: 256, objects: 64, threads: 16 };
/// Bytes of the instruction that the victim `fault` faults at.
const FAULTING_BYTES: u64 = 2;
/// Nanoseconds that a limited program may run in each period.
const BUDGET: u64 = 2_000_000;
/// Nanoseconds of the period.
const PERIOD: u64 = 40_000_000;
/// Long enough to show how a processor is shared.
const LONG: Duration = Duration::from_millis(800);
/// Registers in a record, and the place of the stack pointer among them.
const REGISTERS: usize = 18;
const STACK_POINTER: usize = 7;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("shares") => {
            return capos_service::run(async |context| {
                shares(&context).await?;
                complete(&context).await
            });
        }
        // The code says it; a failed process test shows it.
        Some(what) => std::process::exit(victim::run(what)),
        None => {}
    }
    capos_service::run(async |context| {
        crash_records().await?;
        stack_overflow().await?;
        forbidden_instructions().await?;
        answered_faults().await?;
        abandoned_faults().await?;
        suspension().await?;
        reclaiming().await?;
        complete(&context).await
    })
}

/// A notification that a victim and its test share.
struct Signals {
    client: notification::Client,
    handle: u64,
}

impl Signals {
    async fn new() -> Result<Signals, Failure> {
        let reply = slot::<ledger::Client>("ledger")?.create_notification_request().send().promise.await?;
        let client = reply.get()?.get_notification()?;
        let handle = handle(&*client.clone().into_client_hook())?;
        Ok(Signals { client, handle })
    }

    /// Whether this bit comes.
    fn comes(&self, bit: u64) -> Result<bool, Failure> {
        self.comes_within(PATIENCE, bit)
    }

    fn comes_within(&self, time: Duration, bit: u64) -> Result<bool, Failure> {
        match raw::wait(self.handle, bit, deadline_in(time)?) {
            Ok(_) => Ok(true),
            Err(Refused { status: status::DEADLINE, .. }) => Ok(false),
            Err(refused) => Err(format!("waiting failed with status {}", refused.status).into()),
        }
    }
}

/// A victim on this ledger.
async fn start(what: &str, ledger: &ledger::Client, signals: &Signals) -> Result<process::Client, Failure> {
    let binary = slot("victim")?;
    let spawn = Spawn::new(&binary, what).argument(what).ledger(ledger.clone());
    Ok(spawn.grant("signals", signals.client.clone()).start().await?)
}

async fn part() -> Result<ledger::Client, Failure> {
    Ok(create_ledger(&slot("ledger")?, QUOTA).await?)
}

async fn outcome(process: &process::Client) -> Result<(process::Outcome, i32), Failure> {
    let reply = process.wait_request().send().promise.await?;
    let end = reply.get()?;
    Ok((end.get_outcome()?, end.get_code()))
}

/// The words of a record.
fn words(data: &[u8]) -> Vec<u64> {
    data.chunks_exact(8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap_or_default())).collect()
}

async fn crash_records() -> Result<(), Failure> {
    let (ledger, signals) = (part().await?, Signals::new().await?);
    let process = start("crash", &ledger, &signals).await?;
    check("a wild write ends the process", outcome(&process).await?.0 == process::Outcome::Faulted)?;
    let reply = process.crash_request().send().promise.await?;
    let crash = reply.get()?;
    let words = words(crash.get_words()?);
    check(
        "its record names the fault, the address and the instruction",
        crash.get_fault()? == process::Fault::Write
            && crash.get_address() == NOWHERE as u64
            && crash.get_instruction() != 0,
    )?;
    check("it holds registers and the stack", words.len() > REGISTERS && words[STACK_POINTER].is_multiple_of(8))?;
    Ok(reclaim(&ledger).await?)
}

async fn stack_overflow() -> Result<(), Failure> {
    let (ledger, signals) = (part().await?, Signals::new().await?);
    let process = start("overflow", &ledger, &signals).await?;
    check(
        "a thread that has used its stack up ends the process",
        outcome(&process).await?.0 == process::Outcome::Faulted,
    )?;
    let reply = process.crash_request().send().promise.await?;
    let words = words(reply.get()?.get_words()?);
    let deepest = words.iter().filter(|&&word| word > MARK).map(|word| word - MARK).max();
    let pages = (SMALL_STACK_BYTES / PAGE_BYTES) as u64;
    check(
        "and has got no further than its own memory",
        deepest.is_some_and(|depth| (pages / 4..=pages).contains(&depth)),
    )?;
    Ok(reclaim(&ledger).await?)
}

async fn forbidden_instructions() -> Result<(), Failure> {
    let (ledger, signals) = (part().await?, Signals::new().await?);
    for instruction in FORBIDDEN {
        let process = start(instruction, &ledger, &signals).await?;
        let is_end = outcome(&process).await?.0 == process::Outcome::Faulted;
        let reply = process.crash_request().send().promise.await?;
        let is_named = reply.get()?.get_fault()? == process::Fault::Protection;
        check(&format!("{instruction} is forbidden to programs"), is_end && is_named)?;
    }
    Ok(reclaim(&ledger).await?)
}

/// A victim that faults, and the one who answers for it.
async fn faulting(
    ledger: &ledger::Client,
    signals: &Signals,
) -> Result<(process::Client, fault_handler::Client, u32, u64), Failure> {
    let process = start("fault", ledger, signals).await?;
    let handler = process.handle_faults_request().send().promise.await?.get()?.get_handler()?;
    let next = handler.next_request().send();
    raw::signal(signals.handle, GO);
    let reply = next.promise.await?;
    let fault = reply.get()?;
    check("the handler hears of the fault", fault.get_fault()? == process::Fault::InvalidInstruction)?;
    let (thread, instruction) = (fault.get_thread(), fault.get_instruction());
    Ok((process, handler, thread, instruction))
}

async fn answered_faults() -> Result<(), Failure> {
    let (ledger, signals) = (part().await?, Signals::new().await?);
    let (process, handler, thread, instruction) = faulting(&ledger, &signals).await?;
    let mut request = handler.registers_request();
    request.get().set_thread(thread);
    let reply = request.send().promise.await?;
    check("it sees the registers", words(reply.get()?.get_words()?).len() >= REGISTERS)?;
    let mut request = handler.resume_request();
    request.get().set_thread(thread);
    request.get().set_instruction(instruction + FAULTING_BYTES);
    request.send().promise.await?;
    let went_on = (process::Outcome::Exited, WENT_ON);
    check("the program goes on behind its fault", outcome(&process).await? == went_on)?;

    let (process, handler, thread, _) = faulting(&ledger, &signals).await?;
    let mut request = handler.fail_request();
    request.get().set_thread(thread);
    request.send().promise.await?;
    check("or ends by it", outcome(&process).await?.0 == process::Outcome::Faulted)?;
    Ok(reclaim(&ledger).await?)
}

async fn abandoned_faults() -> Result<(), Failure> {
    let (ledger, signals) = (part().await?, Signals::new().await?);
    let (process, handler, ..) = faulting(&ledger, &signals).await?;
    drop(handler);
    check("without a handler it ends", outcome(&process).await?.0 == process::Outcome::Faulted)?;
    Ok(reclaim(&ledger).await?)
}

async fn suspension() -> Result<(), Failure> {
    let (ledger, signals) = (part().await?, Signals::new().await?);
    let process = start("live", &ledger, &signals).await?;
    check("the program lives", signals.comes(ALIVE)?)?;
    process.suspend_request().send().promise.await?;
    // What it said just before.
    signals.comes_within(MOMENT, ALIVE)?;
    check("suspended, it stands still", !signals.comes_within(MOMENT, ALIVE)?)?;
    let state = process.inspect_request().send().promise.await?.get()?.get_state()?;
    check("and says so", state == process::State::Suspended)?;
    process.resume_request().send().promise.await?;
    check("resumed, it goes on", signals.comes(ALIVE)?)?;
    process.suspend_request().send().promise.await?;
    process.kill_request().send().promise.await?;
    check("suspended, it can be killed", outcome(&process).await?.0 == process::Outcome::Killed)?;
    check("and is not resumed", process.resume_request().send().promise.await.is_err())?;
    Ok(reclaim(&ledger).await?)
}

async fn reclaiming() -> Result<(), Failure> {
    let (ledger, signals) = (part().await?, Signals::new().await?);
    let below = create_ledger(&ledger, Quota { frames: 512, handles: 64, objects: 16, threads: 4 }).await?;
    let own: ledger::Client = slot("ledger")?;
    let before = used(&own).await?;
    let mut processes = Vec::new();
    for (what, ledger) in [("spin", &ledger), ("spin", &below), ("live", &ledger)] {
        processes.push(start(what, ledger, &signals).await?);
        check("the program lives", signals.comes(ALIVE)?)?;
    }
    reclaim(&ledger).await?;
    for process in &processes {
        check("reclaimed, a program ends", outcome(process).await?.0 == process::Outcome::Killed)?;
    }
    check("the ledger is empty", used(&ledger).await? == [0; 4])?;
    drop((processes, below));
    check("the account is even", becomes(&own, before[0]).await?)?;
    let process = start("crash", &ledger, &signals).await?;
    check("and can be used again", outcome(&process).await?.0 == process::Outcome::Faulted)
}

/// Whether so many frames are used in the end: what is over is put away in steps.
async fn becomes(ledger: &ledger::Client, frames: u64) -> Result<bool, Failure> {
    let end = Instant::now() + PATIENCE;
    while used(ledger).await?[0] != frames {
        if Instant::now() > end {
            return Ok(false);
        }
        sleep(MOMENT).await?;
    }
    Ok(true)
}

/// A context that the test pays for.
async fn create_context(
    authority: &scheduling_authority::Client,
    numbers: impl FnOnce(scheduling_authority::create_params::Builder),
) -> Result<scheduling_context::Client, Failure> {
    let mut request = authority.create_request();
    let mut params = request.get();
    params.set_ledger(slot("ledger")?);
    params.set_processors(1);
    numbers(params);
    Ok(request.send().promise.await?.get()?.get_context()?)
}

/// A victim that spins on this context.
async fn spin_on(context: &scheduling_context::Client, ledger: &ledger::Client) -> Result<process::Client, Failure> {
    let binary = slot("victim")?;
    let spawn = Spawn::new(&binary, "spin").argument("spin").ledger(ledger.clone());
    Ok(spawn.grant("context", context.clone()).start().await?)
}

async fn consumed(context: &scheduling_context::Client) -> Result<u64, Failure> {
    Ok(context.inspect_request().send().promise.await?.get()?.get_consumed())
}

/// Three programs on one processor, of which one has a third of another's weight and one has a budget.
async fn shares(context: &Context) -> Result<(), Failure> {
    let ledger = part().await?;
    let authority: scheduling_authority::Client = context.take("scheduling")?;
    let refused = create_context(&authority, |mut numbers| numbers.set_weight(0)).await;
    check("numbers that make no sense are refused", refused.is_err())?;
    let light = create_context(&authority, |_| ()).await?;
    let heavy = create_context(&authority, |mut numbers| numbers.set_weight(300)).await?;
    let limited = create_context(&authority, |mut numbers| {
        numbers.set_budget(BUDGET);
        numbers.set_period(PERIOD);
    })
    .await?;
    for on in [&light, &heavy, &limited] {
        spin_on(on, &ledger).await?;
    }
    sleep(MOMENT).await?;
    let before = [consumed(&light).await?, consumed(&heavy).await?, consumed(&limited).await?];
    sleep(LONG).await?;
    let after = [consumed(&light).await?, consumed(&heavy).await?, consumed(&limited).await?];
    let [light, heavy, limited] = [0, 1, 2].map(|i| after[i] - before[i]);
    println!("run on the contexts: {light} ns, {heavy} ns, {limited} ns");
    check("three times the weight gets three times as much", heavy > 2 * light && heavy < 4 * light)?;
    let allowed = LONG.as_nanos() as u64 / PERIOD * BUDGET;
    check("a budget is a limit", limited > allowed / 2 && limited < 2 * allowed)?;
    Ok(reclaim(&ledger).await?)
}

async fn used(ledger: &ledger::Client) -> Result<[u64; 4], Failure> {
    let reply = ledger.inspect_request().send().promise.await?;
    let used = reply.get()?;
    Ok([used.get_frames_used(), used.get_handles_used(), used.get_objects_used(), used.get_threads_used()])
}
