//! Suspended processes, answered faults, crash records, held memory.
use super::calls::{call, pair, receive, reply};
use super::machine::TEST_STACK;
use super::world::{Actor, PLENTY, World};
use crate::authority::capability::Object;
use crate::execution::process;
use crate::execution::thread::State;
use crate::execution::trap::{Fault, FaultKind};
use crate::ledger::{Amounts, Resource};
use crate::platform::{REGISTERS, Registers, STACK_POINTER};
use capos_abi::interface::{fault_handler, ledger, process as abi, virtual_memory};
use capos_abi::ring::{Completion, Submission, kind, op};
use capos_abi::status;

const FAULT: Fault = Fault { kind: FaultKind::Write, address: 0x1234, instruction: 0x20_0040 };

fn control(world: &mut World, holder: Actor, of: Actor) -> u64 {
    world.give(holder, Object::Process(of.process), abi::ID)
}

fn on(world: &mut World, holder: Actor, handle: u64, method: u16) -> (i32, Vec<u64>) {
    let (done, words) = world.call_kernel(holder, handle, abi::ID, method, &[]);
    (done.status, words)
}

pub fn fault(world: &mut World, actor: Actor) {
    let State::Running(processor) = world.kernel.threads[actor.thread].state else { panic!("it does not run") };
    let _ = world.kernel.fault(processor, FAULT);
    world.settle();
}

fn words_of(result: &[u64], fixed: usize) -> &[u64] {
    &result[fixed..]
}

#[test]
fn calls_to_a_suspended_process_wait_until_it_is_resumed() {
    let mut world = World::new();
    let (server, own, client, object) = pair(&mut world);
    let holder = world.actor("holder", PLENTY);
    let control = control(&mut world, holder, server);
    world.submit(server, receive(own));
    world.enter(server, 1);
    assert_eq!(on(&mut world, holder, control, abi::suspend::METHOD).0, status::OK);
    assert!(world.run(client, call(object)).is_empty());
    assert!(world.completions(server).is_empty(), "nothing is delivered");
    assert_eq!(on(&mut world, holder, control, abi::suspend::METHOD).0, status::OK, "twice is no error");
    assert_eq!(on(&mut world, holder, control, abi::resume::METHOD).0, status::OK);
    world.settle();
    assert!(world.kernel.platform.takes_again(server.thread.index()), "it enters again");
    world.enter(server, 1);
    let delivery = world.completions(server)[0];
    assert_eq!(delivery.kind, kind::DELIVERY);
    world.run(server, reply(delivery.value));
    assert_eq!(world.completions(client)[0].status, status::OK);
}

#[test]
fn a_running_process_stands_still_on_every_processor_and_can_be_killed() {
    let mut world = World::new();
    let (holder, victim) = (world.actor("holder", PLENTY), world.actor("victim", PLENTY));
    let before = world.footprint();
    let (own, control) = (control(&mut world, holder, holder), control(&mut world, holder, victim));
    assert_eq!(on(&mut world, holder, own, abi::suspend::METHOD).0, status::BAD_STATE, "not itself");
    assert!(matches!(world.kernel.threads[victim.thread].state, State::Running(_)));
    on(&mut world, holder, control, abi::suspend::METHOD);
    world.settle();
    assert!(matches!(world.kernel.threads[victim.thread].state, State::Suspended(_)));
    on(&mut world, holder, control, abi::resume::METHOD);
    world.settle();
    assert!(matches!(world.kernel.threads[victim.thread].state, State::Running(_)));
    on(&mut world, holder, control, abi::suspend::METHOD);
    world.settle();
    assert_eq!(on(&mut world, holder, control, abi::kill::METHOD).0, status::OK);
    world.settle();
    assert_eq!(world.kernel.processes[victim.process].state, process::State::Ended(process::Outcome::Killed));
    assert_eq!(world.kernel.ending, 0);
    assert!(world.footprint().1 > before.1);
}

#[test]
fn a_process_of_many_threads_stands_still_and_goes_on() {
    let mut world = World::new();
    let (holder, crowd) = (world.actor("holder", PLENTY), world.actor("crowd", Amounts::new([1500, 100, 100, 110])));
    let control = control(&mut world, holder, crowd);
    let ledger = world.kernel.processes[crowd.process].ledger;
    let registers = Registers { entry: 0x20_0000, ..Registers::default() };
    for _ in 0..100 {
        world.kernel.new_thread(ledger, crowd.process, registers, 16 << 10).expect("room");
    }
    world.settle();
    let stand = |world: &World| {
        let threads = world.kernel.processes[crowd.process].threads.iter();
        threads.filter(|&&thread| matches!(world.kernel.threads[thread].state, State::Suspended(_))).count()
    };
    assert_eq!(on(&mut world, holder, control, abi::suspend::METHOD).0, status::OK);
    assert_eq!(stand(&world), 101);
    assert_eq!(on(&mut world, holder, control, abi::resume::METHOD).0, status::OK);
    assert_eq!(stand(&world), 0);
}

/// Between the order and the interrupt, the victim may run on: until then its holder is not answered.
#[test]
fn who_suspends_is_answered_when_every_thread_stands_still() {
    let mut world = World::new();
    let (holder, victim) = (world.actor("holder", PLENTY), world.actor("victim", PLENTY));
    let control = control(&mut world, holder, victim);
    let (State::Running(own), State::Running(other)) =
        (world.kernel.threads[holder.thread].state, world.kernel.threads[victim.thread].state)
    else {
        panic!("both run");
    };
    world.write(holder, 0, &[0]);
    world.submit(
        holder,
        Submission {
            op: op::CALL,
            handle: control,
            interface: abi::ID,
            method: abi::suspend::METHOD,
            message_bytes: 8,
            result_bytes: 64,
            ..Submission::default()
        },
    );
    let _ = world.kernel.enter(own, 0, 0);
    assert!(matches!(world.kernel.threads[victim.thread].state, State::Running(_)));
    assert!(world.completions(holder).is_empty(), "the victim still runs");
    let _ = world.kernel.reschedule(other);
    assert!(matches!(world.kernel.threads[victim.thread].state, State::Suspended(_)));
    world.enter(holder, 0);
    assert_eq!(world.completions(holder)[0].status, status::OK);
}

#[test]
fn a_crash_leaves_registers_and_stack() {
    let mut world = World::new();
    let (holder, victim) = (world.actor("holder", PLENTY), world.actor("victim", PLENTY));
    let control = control(&mut world, holder, victim);
    let (_, none) = on(&mut world, holder, control, abi::crash::METHOD);
    assert_eq!(none[1] & 0xffff, u64::from(abi::fault::NONE));
    fault(&mut world, victim);
    let (done, record) = on(&mut world, holder, control, abi::crash::METHOD);
    assert_eq!(done, status::OK);
    let results = abi::crash::results::SHAPE;
    let words = words_of(&record, 1 + usize::from(results.data_words) + usize::from(results.pointers));
    assert_eq!(words.len(), REGISTERS + 2, "two words of the stack can be read");
    assert_eq!((words[0], words[STACK_POINTER]), (u64::from(victim.thread.index()), TEST_STACK));
    assert_eq!(words[REGISTERS..], [TEST_STACK, TEST_STACK + 8]);
}

/// A handler of the victim's faults, and a `next` that waits.
fn handler(world: &mut World, holder: Actor, victim: Actor) -> u64 {
    let control = control(world, holder, victim);
    let (done, made) = on(world, holder, control, abi::handle_faults::METHOD);
    assert_eq!(done, status::OK);
    assert_eq!(on(world, holder, control, abi::handle_faults::METHOD).0, status::BAD_STATE, "one handler at a time");
    made[0]
}

fn next(handler: u64) -> Submission {
    Submission {
        op: op::CALL,
        tag: 7,
        handle: handler,
        interface: fault_handler::ID,
        method: fault_handler::next::METHOD,
        user_data: 7,
        result_offset: 2048,
        result_bytes: 64,
        ..Submission::default()
    }
}

fn only(completions: Vec<Completion>) -> Completion {
    let [completion] = completions[..] else { panic!("one completion, not {completions:?}") };
    completion
}

#[test]
fn a_handler_answers_faults() {
    let mut world = World::new();
    let (holder, victim) = (world.actor("holder", PLENTY), world.actor("victim", PLENTY));
    let handler = handler(&mut world, holder, victim);
    assert!(world.run(holder, next(handler)).is_empty());
    fault(&mut world, victim);
    assert_eq!(only(world.completions(holder)).status, status::OK);
    let thread = u64::from(victim.thread.index());
    let answer = |world: &mut World, method: u16, data: &[u64]| {
        world.call_kernel(holder, handler, fault_handler::ID, method, data).0.status
    };
    assert_eq!(answer(&mut world, fault_handler::registers::METHOD, &[thread]), status::OK);
    assert_eq!(answer(&mut world, fault_handler::resume::METHOD, &[thread, u64::MAX]), status::BAD_ARGUMENT);
    assert_eq!(answer(&mut world, fault_handler::resume::METHOD, &[thread, 0x20_0050]), status::OK);
    assert_eq!(
        answer(&mut world, fault_handler::resume::METHOD, &[thread, 0]),
        status::BAD_STATE,
        "it goes on already"
    );
    world.settle();
    assert_eq!(world.kernel.platform.result(victim.thread.index()), 0x20_0050);
    fault(&mut world, victim);
    assert_eq!(only(world.run(holder, next(handler))).status, status::OK);
    assert_eq!(answer(&mut world, fault_handler::fail::METHOD, &[thread]), status::OK);
    world.settle();
    assert!(matches!(
        world.kernel.processes[victim.process].state,
        process::State::Ended(process::Outcome::Faulted(FAULT))
    ));
    assert_eq!(only(world.run(holder, next(handler))).status, status::STALE);
}

#[test]
fn without_its_handler_a_faulted_process_ends() {
    let mut world = World::new();
    let (holder, victim) = (world.actor("holder", PLENTY), world.actor("victim", PLENTY));
    let watcher = world.actor("watcher", PLENTY);
    let watched = control(&mut world, watcher, victim);
    handler(&mut world, holder, victim);
    fault(&mut world, victim);
    assert_eq!(world.kernel.threads[victim.thread].state, State::Faulted);
    world.kernel.end_process(holder.process, process::Outcome::Killed);
    world.settle();
    assert_eq!(world.kernel.processes[victim.process].state, process::State::Ended(process::Outcome::Faulted(FAULT)));
    assert_eq!(on(&mut world, watcher, watched, abi::crash::METHOD).0, status::OK);
}

#[test]
fn held_memory_survives_its_ledger_and_its_capability() {
    let mut world = World::new();
    let before = world.footprint();
    let (owner, user) = (world.actor("owner", PLENTY), world.actor("user", PLENTY));
    let own = world.ledger(owner);
    let made = world.call_kernel(owner, own, ledger::ID, ledger::create_memory_object::METHOD, &[8192]).1[0];
    let copy = world.copy(owner, made, user);
    let address = world.map(user, copy, 8192, virtual_memory::access::READ).expect("mapped");
    let space = world.give(user, Object::VirtualMemory(user.process), virtual_memory::ID);
    let payer = world.kernel.processes[user.process].ledger;
    let used = |world: &World| world.kernel.ledgers[payer].used().of(Resource::Frames);
    let alone = used(&world);
    for _ in 0..2 {
        let (held, _) =
            world.call_kernel(user, space, virtual_memory::ID, virtual_memory::hold::METHOD, &[address, 8192]);
        assert_eq!(held.status, status::OK);
        assert_eq!(used(&world), alone + 2, "charged once");
    }
    world.kernel.end_process(owner.process, process::Outcome::Killed);
    world.settle();
    let paid = world.kernel.processes.get(owner.process).is_none();
    assert!(paid && world.kernel.processes[user.process].ranges.find(address).is_some());
    let (gone, _) = world.call_kernel(user, space, virtual_memory::ID, virtual_memory::unmap::METHOD, &[address, 4096]);
    assert_eq!((gone.status, used(&world)), (status::OK, alone + 2), "a piece is still held");
    world.call_kernel(user, space, virtual_memory::ID, virtual_memory::unmap::METHOD, &[address + 4096, 4096]);
    assert_eq!(used(&world), alone);
    world.kernel.end_process(user.process, process::Outcome::Killed);
    world.settle();
    assert_eq!(world.footprint(), before);
}
