//! `Process` and `FaultHandler`: a process is filled, started, watched, stopped and ended by who holds it.

use crate::puppet::{CODE, DATA, Puppet, STACK, THREAD_POINTER, code, counting, exiting};
use crate::verify::{holds, refused};
use crate::{Check, notification};
use campaign::wire::take_bits;
use capnp::capability::FromClientHook;
use capos_abi::status;
use capos_rt::raw;
use capos_service::{Failure, RingCall, block_on, handle, slot};
use schema::ledger_capnp::ledger;
use schema::process_capnp::fault_handler;
use schema::process_capnp::process::{self, Fault, Outcome, Reach, State};
use schema::session_capnp::{session, session_authority};
use std::thread::sleep;
use std::time::Duration;

pub const CHECKS: &[Check] = &[
    ("Process.grant", grant),
    ("Process.start", start),
    ("Process.kill", kill),
    ("Process.exit", exit),
    ("Process.wait", wait),
    ("Process.inspect", inspect),
    ("Process.setSession", set_session),
    ("Process.suspend", suspend),
    ("Process.resume", resume),
    ("Process.crash", crash),
    ("Process.handleFaults", handle_faults),
    ("Process.grantAll", grant_all),
    ("FaultHandler.next", next),
    ("FaultHandler.registers", registers),
    ("FaultHandler.resume", resume_faulted),
    ("FaultHandler.fail", fail),
];

/// Long enough for what runs to show it.
const MOMENT: Duration = Duration::from_millis(20);
/// An address that nothing is mapped at, as the programs below name it.
const NOWHERE: u64 = DATA + 0x10_0018;
/// What stands in a register, and on the stack, of a program that faults.
const IN_REGISTER: u64 = 0x1234_5678_9abc_def0;
const ON_STACK: u64 = 0x0fed_cba9_8765_4321;
/// Places in a record: of some registers, and of the stack.
const RBX: usize = 1;
const R15: usize = 15;
const RSI: usize = 4;
const RSP: usize = 7;
const FS_BASE: usize = 17;
const STACK_WORDS: usize = 18;

fn grant() -> Result<(), Failure> {
    let own: process::Client = slot("process")?;
    let notification = notification::create()?;
    let mut request = own.grant_request();
    request.get().init_capability().set_as_capability(notification.clone().into_client_hook());
    let copy = request.call()?.get()?.get_handle();
    let original = handle(notification.as_client_hook())?;
    raw::signal(copy, 8);
    holds("what was granted works", copy != original && take_bits(original) == 8)?;
    raw::release(copy);
    let puppet = Puppet::new(exiting())?;
    let mut request = puppet.process.grant_request();
    request.get().init_capability().set_as_capability(notification.into_client_hook());
    request.call()?;
    let holding = puppet.process.inspect_request().call()?.get()?.get_handles();
    holds("another process holds it, and nothing else", holding == 1)?;
    let nothing = puppet.process.grant_request();
    refused(nothing.call(), status::BAD_ARGUMENT)
}

fn grant_all() -> Result<(), Failure> {
    let puppet = Puppet::new(exiting())?;
    let grant_all = |reaches: &[Reach]| {
        let mut request = puppet.process.grant_all_request();
        let mut grants = request.get().init_grants(reaches.len() as u32);
        for (index, reach) in (0..).zip(reaches) {
            let mut grant = grants.reborrow().get(index);
            grant.set_reach(*reach);
            grant.init_capability().set_as_capability(notification::create()?.into_client_hook());
        }
        request.call()
    };
    let handles: Vec<u64> =
        grant_all(&[Reach::Open, Reach::Session, Reach::Open])?.get()?.get_handles()?.iter().collect();
    holds("each has a handle of its own", handles.len() == 3 && handles[0] != handles[1] && handles[1] != handles[2])?;
    let holding = || Ok::<u32, Failure>(puppet.process.inspect_request().call()?.get()?.get_handles());
    holds("the other process holds them", holding()? == 3)?;
    let mut request = puppet.process.grant_all_request();
    let mut grants = request.get().init_grants(2);
    grants.reborrow().get(0).init_capability().set_as_capability(notification::create()?.into_client_hook());
    refused(request.call(), status::BAD_ARGUMENT)?;
    holds("if one cannot be given none is", holding()? == 3)
}

fn start() -> Result<(), Failure> {
    let mut request = slot::<ledger::Client>("ledger")?.create_process_request();
    request.get().set_name("without thread");
    let empty = request.call()?.get()?.get_process()?;
    refused(empty.start_request().call(), status::BAD_STATE)?;
    empty.kill_request().call()?;
    let puppet = Puppet::new(counting())?;
    sleep(MOMENT);
    holds("before, it does not run", puppet.word(DATA) == 0)?;
    puppet.process.start_request().call()?;
    puppet.counts("started, it runs")?;
    refused(puppet.process.start_request().call(), status::BAD_STATE)
}

fn kill() -> Result<(), Failure> {
    let puppet = Puppet::started(counting())?;
    puppet.counts("it runs")?;
    puppet.process.kill_request().call()?;
    holds("it was killed", puppet.outcome()?.0 == Outcome::Killed)?;
    let count = puppet.word(DATA);
    sleep(MOMENT);
    holds("it runs no more", puppet.word(DATA) == count)?;
    puppet.process.kill_request().call()?;
    holds("killing it again does nothing", puppet.outcome()?.0 == Outcome::Killed)?;
    let unborn = Puppet::new(counting())?;
    unborn.process.kill_request().call()?;
    holds("one that has not started can be killed", unborn.outcome()?.0 == Outcome::Killed)
}

fn exit() -> Result<(), Failure> {
    let puppet = Puppet::started(counting())?;
    let mut request = puppet.process.exit_request();
    request.get().set_code(-7);
    request.call()?;
    holds("it has exited with the code", puppet.outcome()? == (Outcome::Exited, -7))
}

fn wait() -> Result<(), Failure> {
    let puppet = Puppet::new(exiting())?;
    let waiting = puppet.process.wait_request().send();
    puppet.process.start_request().call()?;
    let reply = block_on(waiting.promise)?;
    let end = reply.get()?;
    holds("who waits is told the end", (end.get_outcome()?, end.get_code()) == (Outcome::Exited, 42))?;
    holds("who comes later, too", puppet.outcome()? == (Outcome::Exited, 42))?;
    let faulting = Puppet::started(code!("ud2"))?;
    let reply = faulting.process.wait_request().call()?;
    let end = reply.get()?;
    let told = (end.get_outcome()?, end.get_fault()?, end.get_instruction());
    holds("a fault is told", told == (Outcome::Faulted, Fault::InvalidInstruction, CODE))
}

fn inspect() -> Result<(), Failure> {
    let puppet = Puppet::new(counting())?;
    let state = || Ok::<_, Failure>(puppet.process.inspect_request().call()?.get()?.get_state()?);
    let reply = puppet.process.inspect_request().call()?;
    let facts = reply.get()?;
    holds("its name", facts.get_name()?.to_str()? == "puppet")?;
    holds("its threads and handles", facts.get_threads() == 1 && facts.get_handles() == 0)?;
    holds("its number is its own", facts.get_id() != capos_rt::objects::process_id().unwrap_or(facts.get_id()))?;
    holds("created", state()? == State::Created)?;
    puppet.process.start_request().call()?;
    holds("running", state()? == State::Running)?;
    puppet.process.suspend_request().call()?;
    holds("suspended", state()? == State::Suspended)?;
    puppet.process.kill_request().call()?;
    puppet.outcome()?;
    holds("ended", state()? == State::Ended)
}

fn set_session() -> Result<(), Failure> {
    let mut request = slot::<session_authority::Client>("sessions")?.open_request();
    request.get().set_ledger(slot("ledger")?);
    let control = request.call()?.get()?.get_control()?;
    let confined = confined_notification()?;
    let grant_to = |puppet: &Puppet| {
        let mut request = puppet.process.grant_request();
        request.get().init_capability().set_as_capability(confined.clone().into_client_hook());
        request.call()
    };
    let (same, other) = (Puppet::new(exiting())?, Puppet::new(exiting())?);
    let mut request = other.process.set_session_request();
    request.get().set_session(control.clone().cast_to::<session::Client>());
    request.call()?;
    holds("in the own session, what may not leave it is granted", grant_to(&same).is_ok())?;
    refused(grant_to(&other), status::BAD_CAPABILITY)?;
    let mut late = same.process.set_session_request();
    late.get().set_session(control.cast_to());
    refused(late.call(), status::BAD_STATE)
}

/// A notification that may not leave the session of this process.
fn confined_notification() -> Result<schema::notification_capnp::notification::Client, Failure> {
    let mut request = slot::<process::Client>("process")?.grant_request();
    request.get().init_capability().set_as_capability(notification::create()?.into_client_hook());
    request.get().set_reach(Reach::Session);
    Ok(capos_service::import(request.call()?.get()?.get_handle()))
}

fn suspend() -> Result<(), Failure> {
    let puppet = Puppet::new(counting())?;
    refused(puppet.process.suspend_request().call(), status::BAD_STATE)?;
    puppet.process.start_request().call()?;
    puppet.counts("it runs")?;
    puppet.process.suspend_request().call()?;
    let count = puppet.word(DATA);
    sleep(MOMENT);
    holds("it stands still", puppet.word(DATA) == count)?;
    let own: process::Client = slot("process")?;
    refused(own.suspend_request().call(), status::BAD_STATE)
}

fn resume() -> Result<(), Failure> {
    let puppet = Puppet::started(counting())?;
    puppet.counts("it runs")?;
    puppet.process.suspend_request().call()?;
    puppet.process.resume_request().call()?;
    puppet.counts("it goes on")?;
    puppet.process.kill_request().call()?;
    puppet.outcome()?;
    refused(puppet.process.resume_request().call(), status::BAD_STATE)
}

/// A program that looks at its stack, and then does this.
macro_rules! crime {
    ($($line:literal),+) => { code!("mov rbx, [rsp]", $($line),+) };
}

/// What programs do wrong, what that is called, and the address that they wanted. Misaligned access is not among it: the
/// kernel does not ask processors to refuse it.
fn crimes() -> [(&'static [u8], Fault, u64); 9] {
    [
        (crime!("mov rax, [rsi + 0x100018]"), Fault::Read, NOWHERE),
        (crime!("mov [rsi + 0x100018], rax"), Fault::Write, NOWHERE),
        (crime!("lea rax, [rsi + 0x100018]", "jmp rax"), Fault::Execute, NOWHERE),
        (crime!("xor ecx, ecx", "div ecx"), Fault::Divide, 0),
        (crime!("ud2"), Fault::InvalidInstruction, 0),
        (crime!("cli"), Fault::Protection, 0),
        (crime!("int3"), Fault::Breakpoint, 0),
        (
            // Division by zero raises a signal of the x87 unit.
            crime!("mov dword ptr [rsp - 8], 0x37b", "fldcw [rsp - 8]", "fld1", "fldz", "fdivp", "fwait"),
            Fault::FloatingPoint,
            0,
        ),
        // The trap flag: the instruction behind it is the last one.
        (crime!("pushfq", "or dword ptr [rsp], 0x100", "popfq", "nop", "nop"), Fault::Breakpoint, 0),
    ]
}

fn crash() -> Result<(), Failure> {
    for (crime, fault, address) in crimes() {
        let mut puppet = Puppet::new(crime)?;
        puppet.set_word(STACK, ON_STACK);
        puppet.process.start_request().call()?;
        holds("it ends", puppet.outcome()?.0 == Outcome::Faulted)?;
        let reply = puppet.process.crash_request().call()?;
        let crash = reply.get()?;
        let found = crash.get_fault()?;
        if found != fault {
            return Err(format!("a fault of the kind {fault:?} is recorded as {found:?}").into());
        }
        holds("the address", crash.get_address() == address)?;
        let code = CODE..CODE + crime.len() as u64 + 1;
        let instruction = if fault == Fault::Execute { NOWHERE..NOWHERE + 1 } else { code };
        holds("the instruction", instruction.contains(&crash.get_instruction()))?;
        let words = words(crash.get_words()?);
        holds("the stack", words.get(STACK_WORDS) == Some(&ON_STACK) && words[RSP] == STACK)?;
        holds("the register that it was read into", words[RBX] == ON_STACK)?;
        holds("the other registers", words[FS_BASE] == THREAD_POINTER && words[RSI] == DATA)?;
    }
    let puppet = Puppet::started(exiting())?;
    puppet.outcome()?;
    let reply = puppet.process.crash_request().call()?;
    holds("who has exited leaves no record", reply.get()?.get_fault()? == Fault::None && !reply.get()?.has_words())
}

/// The words of a record.
fn words(data: &[u8]) -> Vec<u64> {
    data.as_chunks().0.iter().map(|&bytes| u64::from_le_bytes(bytes)).collect()
}

/// A program that faults, then counts, and who answers for it.
struct Faulting {
    puppet: Puppet,
    handler: fault_handler::Client,
    thread: u32,
    instruction: u64,
}

impl Faulting {
    fn new() -> Result<Faulting, Failure> {
        let crime = code!("mov r15, 0x123456789abcdef0", "ud2", "2:", "inc qword ptr [rsi]", "jmp 2b");
        let puppet = Puppet::new(crime)?;
        let handler = puppet.process.handle_faults_request().call()?.get()?.get_handler()?;
        puppet.process.start_request().call()?;
        let reply = handler.next_request().call()?;
        let fault = reply.get()?;
        holds("the fault is told", fault.get_fault()? == Fault::InvalidInstruction)?;
        let (thread, instruction) = (fault.get_thread(), fault.get_instruction());
        Ok(Faulting { puppet, handler, thread, instruction })
    }
}

fn handle_faults() -> Result<(), Failure> {
    let puppet = Puppet::new(code!("ud2"))?;
    let handler = puppet.process.handle_faults_request().call()?.get()?.get_handler()?;
    refused(puppet.process.handle_faults_request().call(), status::BAD_STATE)?;
    puppet.process.start_request().call()?;
    handler.next_request().call()?;
    let state = puppet.process.inspect_request().call()?.get()?.get_state()?;
    holds("while there is a handler, it waits", state == State::Running)?;
    drop(handler);
    holds("without, it ends", puppet.outcome()?.0 == Outcome::Faulted)?;
    refused(puppet.process.handle_faults_request().call(), status::BAD_STATE)
}

fn next() -> Result<(), Failure> {
    let puppet = Puppet::new(code!("mov [rsi - 0x100], rax"))?;
    let handler = puppet.process.handle_faults_request().call()?.get()?.get_handler()?;
    let waiting = handler.next_request().send();
    puppet.process.start_request().call()?;
    let reply = block_on(waiting.promise)?;
    let fault = reply.get()?;
    let told = (fault.get_fault()?, fault.get_address(), fault.get_instruction());
    holds("who waits is told what, where and at which instruction", told == (Fault::Write, DATA - 0x100, CODE))?;
    let again = handler.next_request().with_deadline(1).call();
    refused(again, status::DEADLINE)?;
    puppet.process.kill_request().call()?;
    puppet.outcome()?;
    refused(handler.next_request().call(), status::STALE)
}

fn registers() -> Result<(), Failure> {
    let Faulting { puppet, handler, thread, .. } = Faulting::new()?;
    let mut request = handler.registers_request();
    request.get().set_thread(thread);
    let reply = request.call()?;
    let words = words(reply.get()?.get_words()?);
    holds("what the program has put there", words[R15] == IN_REGISTER && words[RSI] == DATA && words[RSP] == STACK)?;
    let mut request = handler.registers_request();
    request.get().set_thread(thread + 1);
    refused(request.call(), status::BAD_STATE)?;
    drop(puppet);
    Ok(())
}

fn resume_faulted() -> Result<(), Failure> {
    let Faulting { puppet, handler, thread, instruction } = Faulting::new()?;
    let resume = |instruction| {
        let mut request = handler.resume_request();
        request.get().set_thread(thread);
        request.get().set_instruction(instruction);
        request.call()
    };
    resume(0)?;
    let again = handler.next_request().call()?.get()?.get_instruction();
    holds("where it faulted, it faults again", again == instruction)?;
    refused(resume(u64::MAX), status::BAD_ARGUMENT)?;
    resume(instruction + 2)?;
    puppet.counts("behind, it goes on")?;
    refused(resume(0), status::BAD_STATE)
}

fn fail() -> Result<(), Failure> {
    let Faulting { puppet, handler, thread, .. } = Faulting::new()?;
    let mut request = handler.fail_request();
    request.get().set_thread(thread + 1);
    refused(request.call(), status::BAD_STATE)?;
    let mut request = handler.fail_request();
    request.get().set_thread(thread);
    request.call()?;
    holds("it ends by its fault", puppet.outcome()?.0 == Outcome::Faulted)?;
    let crash = puppet.process.crash_request().call()?;
    holds("and leaves a record", crash.get()?.get_fault()? == Fault::InvalidInstruction)
}
