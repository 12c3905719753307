//! Processors beside each other in one kernel, each a thread of the host, while processes call, signal, and are killed.
//!
//! A round has two parts. First all processors run programs beside each other, each until it has to be alone or has done its steps.
//! Then each of those that have to be alone is, and something else happens: a process is killed, a capability revoked, time passes.
use super::calls::{call, pair, receive, reply};
use super::dice::{Dice, choose};
use super::machine::Machine;
use super::world::{Actor, World};
use crate::Next;
use crate::authority::capability::Object;
use crate::authority::handle::SlotRef;
use crate::execution::process::{Outcome, Process};
use crate::execution::schedule::account::SLICE_NANOSECONDS;
use crate::shared::{Alone, SharedKernel};
use crate::slab::Id;
use capos_abi::interface;
use capos_abi::ring::{COMPLETION_ENTRIES, Completion, SUBMISSION_ENTRIES, Submission, flag, kind, op};
use capos_abi::status;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

const PROCESSORS: usize = 3;
/// Entries into the kernel of one processor in a round.
const STEPS: u32 = 24;
/// Rounds of one system.
const ROUNDS: u32 = 40;
/// Marks the completions of calls; the call's number follows.
const CALL: u64 = 1 << 32;
/// Marks the completion of a WAIT.
const WAIT: u64 = 1 << 33;
/// Tag of a WAIT.
const WAIT_TAG: u16 = 9;

/// Systems that are made, run and ended.
fn lives() -> u32 {
    choose(10, 500)
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a program does.
enum Role {
    /// Answers calls.
    Server,
    /// Calls an object, `Null`, and sets bits of its peer.
    Client { object: u64, null: u64, peer: u64 },
}

/// A program and what it remembers.
struct Program {
    actor: Actor,
    role: Role,
    dice: Dice,
    /// Calls that have not ended.
    open: BTreeSet<u64>,
    next: u64,
    waits: bool,
    /// Calls that were answered.
    answered: u32,
}

impl Program {
    /// Runs until the next system call; how many completions it wants to find.
    fn run(&mut self, machine: &Machine) -> u32 {
        let mut answers = Vec::new();
        for completion in completions(machine, self.actor) {
            match (&self.role, completion.kind) {
                (Role::Server, kind::DELIVERY) => answers.push(completion.value),
                _ => self.note(&completion),
            }
        }
        match self.role {
            Role::Server => {
                for token in answers {
                    let flags = if self.dice.below(4) == 0 { 0 } else { flag::QUIET };
                    submit(machine, self.actor, Submission { flags, user_data: 0, ..reply(token) });
                }
                1
            }
            Role::Client { object, null, peer } => self.run_client(machine, object, null, peer),
        }
    }

    fn run_client(&mut self, machine: &Machine, object: u64, null: u64, peer: u64) -> u32 {
        for _ in 0..self.dice.below(3) {
            match self.dice.below(6) {
                0 => submit(machine, self.actor, Submission::default()),
                1 => submit(machine, self.actor, null_call(null)),
                2 => {
                    let arg = 1 << self.dice.below(2);
                    submit(
                        machine,
                        self.actor,
                        Submission { op: op::SIGNAL, handle: peer, arg, ..Submission::default() },
                    );
                }
                3 if !self.waits => {
                    self.waits = true;
                    let wait =
                        Submission { op: op::WAIT, tag: WAIT_TAG, arg: 3, user_data: WAIT, ..Submission::default() };
                    submit(machine, self.actor, wait);
                }
                _ => self.call(machine, object),
            }
        }
        u32::from(self.dice.below(4) > 0 && !self.open.is_empty())
    }

    /// Calls, if the tag that it chooses is free.
    fn call(&mut self, machine: &Machine, object: u64) {
        let tag = 1 + self.dice.below(4) as u64;
        if self.open.iter().any(|name| name % 8 == tag) {
            return;
        }
        let name = self.next * 8 + tag;
        self.next += 1;
        self.open.insert(name);
        let caps = if self.dice.below(2) == 0 { 0 } else { 0x20 };
        let result_offset = 4096 + tag as u32 * 64;
        let entry = Submission { caps, tag: tag as u16, user_data: CALL | name, result_offset, ..call(object) };
        submit(machine, self.actor, entry);
    }

    fn note(&mut self, completion: &Completion) {
        if completion.user_data & CALL != 0 {
            assert!(self.open.remove(&(completion.user_data & !CALL)), "a call ends once: {completion:?}");
            self.answered += u32::from(completion.status == status::OK);
        } else if completion.user_data & WAIT != 0 {
            assert!(std::mem::replace(&mut self.waits, false), "a WAIT ends once: {completion:?}");
        }
    }
}

fn null_call(handle: u64) -> Submission {
    Submission {
        op: op::CALL,
        handle,
        interface: interface::null::ID,
        result_offset: 2048,
        result_bytes: 64,
        ..Submission::default()
    }
}

fn submit(machine: &Machine, actor: Actor, entry: Submission) {
    let mut ring = machine.ring(actor.area);
    let place = ring.submission_tail % SUBMISSION_ENTRIES;
    ring.submissions[place as usize] = entry;
    ring.submission_tail = ring.submission_tail.wrapping_add(1);
}

fn completions(machine: &Machine, actor: Actor) -> Vec<Completion> {
    let mut ring = machine.ring(actor.area);
    let mut read = Vec::new();
    while ring.completion_head != ring.completion_tail {
        read.push(ring.completions[(ring.completion_head % COMPLETION_ENTRIES) as usize]);
        ring.completion_head = ring.completion_head.wrapping_add(1);
    }
    read
}

/// Programs by the index of their thread.
type Programs = BTreeMap<u32, Mutex<Program>>;

/// What was done beside others.
#[derive(Default)]
struct Done {
    entries: AtomicU32,
    mails: AtomicU32,
}

/// What a processor has to do alone.
enum Rest {
    Nothing,
    Enter(u32),
    Decide,
}

/// Runs programs on one processor beside others.
fn run_beside(
    kernel: &SharedKernel<'_, Machine>,
    programs: &Programs,
    number: usize,
    mut current: Option<u32>,
    done: &Done,
) -> Rest {
    for _ in 0..STEPS {
        let next = match current {
            Some(context) => {
                let Some(program) = programs.get(&context) else { return Rest::Nothing };
                let wanted = held(program).run(kernel.platform);
                let entered = kernel.enter(number, wanted, 0);
                kernel.platform.takes_again(context);
                match entered {
                    Ok(next) => next,
                    Err(Alone::Again) => return Rest::Enter(wanted),
                    Err(Alone::Decide) => return Rest::Decide,
                }
            }
            None if kernel.platform.takes_interrupt(number) => match kernel.reschedule(number) {
                Some(next) => {
                    done.mails.fetch_add(u32::from(next != Next::Idle), Ordering::Relaxed);
                    next
                }
                None => return Rest::Decide,
            },
            None => {
                thread::yield_now();
                continue;
            }
        };
        done.entries.fetch_add(1, Ordering::Relaxed);
        current = match next {
            Next::Run(context) => Some(context),
            Next::Idle => None,
        };
    }
    Rest::Nothing
}

/// A server and its client; if `apart`, each has to stay on a processor of its own.
fn add_pair(world: &mut World, programs: &mut Programs, seed: u64, apart: bool) {
    let (server, own, client, object) = pair(world);
    let null = world.give(client, Object::Null, interface::null::ID);
    world.run(server, receive(own));
    if apart {
        for (actor, processor) in [(server, 0), (client, 1)] {
            world.kernel.threads[actor.thread].account.numbers.processors = 1 << processor;
            world.kernel.reconsider(actor.thread);
        }
    }
    for (actor, role) in [(server, Role::Server), (client, Role::Client { object, null, peer: 0 })] {
        let dice = Dice((seed << 8) + u64::from(actor.thread.index()) + 1);
        let program = Program { actor, role, dice, open: BTreeSet::new(), next: 0, waits: false, answered: 0 };
        programs.insert(actor.thread.index(), Mutex::new(program));
    }
}

/// Clients signal each other.
fn acquaint(world: &mut World, programs: &Programs) {
    let is_client = |program: &MutexGuard<'_, Program>| matches!(program.role, Role::Client { .. });
    let clients: Vec<Actor> = programs.values().map(held).filter(is_client).map(|program| program.actor).collect();
    for mut program in programs.values().map(held) {
        let (actor, other) = (program.actor, clients[program.dice.below(clients.len())]);
        if let Role::Client { peer, .. } = &mut program.role {
            *peer = world.give(actor, Object::Thread(other.thread), interface::thread::ID);
        }
    }
}

/// Whatever a processor has left to do, it does alone.
fn do_alone(world: &mut World, number: usize, rest: &Rest) {
    match rest {
        Rest::Nothing => {}
        Rest::Enter(wanted) => _ = world.kernel.enter(number, *wanted, 0),
        Rest::Decide => _ = world.kernel.reschedule(number),
    }
}

/// All processors run programs beside each other.
fn run_round(world: &mut World, programs: &Programs, done: &Done) {
    let current: Vec<_> = (0..PROCESSORS).map(|p| world.kernel.current(p).map(|thread| thread.index())).collect();
    let lent = world.kernel.lend();
    let rests: Vec<Rest> = thread::scope(|scope| {
        let run = |number: usize, current| {
            let lent = &lent;
            scope.spawn(move || run_beside(lent, programs, number, current, done))
        };
        let running: Vec<_> = current.iter().enumerate().map(|(number, current)| run(number, *current)).collect();
        running.into_iter().map(|processor| processor.join().expect("no processor panics")).collect()
    });
    rests.iter().enumerate().for_each(|(number, rest)| do_alone(world, number, rest));
}

fn kill(world: &mut World, process: Id<Process>) {
    world.kernel.begin_stay(0);
    if world.kernel.processes.get(process).is_some() {
        world.kernel.end_process(process, Outcome::Killed);
    }
    world.settle();
}

/// Something else happens: a process is killed, what a server has given is revoked, time passes.
fn disturb(world: &mut World, programs: &Programs, dice: &mut Dice) {
    let victim = programs.values().nth(dice.below(programs.len())).map(|program| held(program).actor);
    world.kernel.begin_stay(0);
    match (dice.below(24), victim) {
        (0, Some(victim)) => kill(world, victim.process),
        (1, Some(victim)) => {
            let Some(process) = world.kernel.processes.get(victim.process) else { return };
            let served = |index: &u32| {
                let capability = process.handles.slot(*index).and_then(|slot| slot.capability());
                capability.is_some_and(|capability| matches!(capability.object, Object::Served(_)))
            };
            if let Some(index) = (0..process.handles.len()).find(served) {
                while !world.kernel.revoke_step(SlotRef { process: victim.process, index }) {
                    world.kernel.begin_stay(0);
                }
            }
        }
        (2..6, _) => {
            world.kernel.platform.now += 2 * SLICE_NANOSECONDS;
            (0..PROCESSORS).for_each(|processor| _ = world.kernel.timer(processor));
        }
        _ => {}
    }
}

/// Whoever serves is killed: then all calls of those who still live have ended.
fn end_servers(world: &mut World, programs: &Programs) {
    for program in programs.values().map(held).filter(|program| matches!(program.role, Role::Server)) {
        kill(world, program.actor.process);
    }
    for mut program in programs.values().map(held) {
        let is_alive = world.kernel.processes.get(program.actor.process).is_some_and(|process| process.is_alive());
        if is_alive && matches!(program.role, Role::Client { .. }) {
            let done = completions(&world.kernel.platform, program.actor);
            done.iter().for_each(|completion| program.note(completion));
            let started = world.kernel.threads[program.actor.thread].ring.positions.submission_head;
            let submitted = world.kernel.platform.ring(program.actor.area).submission_tail;
            assert!(program.open.is_empty() || started != submitted, "{:?} have not ended", program.open);
        }
    }
}

fn end_all(world: &mut World) {
    while let Some(process) = (0..64).find_map(|index| world.kernel.processes.id_at(index)) {
        kill(world, process);
    }
    for processor in 0..PROCESSORS {
        let _ = world.kernel.reschedule(processor);
        assert_eq!(world.kernel.current(processor), None, "nobody is left to run");
    }
}

#[test]
fn processors_beside_each_other_lose_no_call_and_leave_nothing() {
    let mut world = World::new();
    world.kernel.platform.processors = PROCESSORS;
    let before = world.footprint();
    let (mut dice, done, mut answered) = (Dice(0x2545_f491_4f6c_dd1d), Done::default(), 0);
    for life in 0..lives() {
        let mut programs = Programs::new();
        (0..3).for_each(|pair| add_pair(&mut world, &mut programs, u64::from(life) * 3 + pair, pair == 0));
        acquaint(&mut world, &programs);
        for _ in 0..ROUNDS {
            run_round(&mut world, &programs, &done);
            disturb(&mut world, &programs, &mut dice);
        }
        end_servers(&mut world, &programs);
        answered += programs.values().map(|program| held(program).answered).sum::<u32>();
        end_all(&mut world);
        assert_eq!(world.footprint(), before, "nothing stays behind");
    }
    let [entries, mails] = [&done.entries, &done.mails].map(|count| count.load(Ordering::Relaxed));
    assert!(entries > answered && answered > 0 && mails > 0, "{entries} entries, {answered} answers, {mails} mails");
}
