//! Ends that meet: of threads, processes and what they were about, in orders that are rare.
use super::audit;
use super::world::{Actor, PLENTY, World};
use crate::authority::capability::Object;
use crate::execution::process::Outcome;
use crate::execution::thread::{State, Thread};
use crate::platform::Registers;
use crate::slab::Id;
use capos_abi::interface::{fault_handler, ledger, process};
use capos_abi::ring::{MIN_AREA_BYTES, Submission, op};
use capos_abi::status;

fn add_thread(world: &mut World, actor: Actor) -> Id<Thread> {
    let ledger = world.kernel.processes[actor.process].ledger;
    let registers = Registers { entry: 0x20_0000, ..Registers::default() };
    let made = world.kernel.new_thread(ledger, actor.process, registers, MIN_AREA_BYTES).expect("room");
    world.settle();
    made
}

#[test]
fn a_process_whose_thread_stops_before_it_is_told_ends_once() {
    let mut world = World::new();
    let before = world.footprint();
    let victim = world.actor("victim", PLENTY);
    let State::Running(processor) = world.kernel.threads[victim.thread].state else { panic!("it runs") };
    // It is killed from another processor, and makes a system call before that one has come to stop it.
    world.kernel.begin_stay((processor + 1) % 8);
    world.kernel.end_process(victim.process, Outcome::Killed);
    let _ = world.kernel.exit(processor, 5);
    world.settle();
    audit::check(&world);
    assert_eq!(world.footprint(), before);
}

#[test]
fn a_process_that_nobody_can_start_any_more_ends() {
    let mut world = World::new();
    let maker = world.actor("maker", PLENTY);
    let own = world.ledger(maker);
    let before = world.footprint();
    let (_, words) = world.call_kernel(maker, own, ledger::ID, ledger::create_process::METHOD, &[]);
    for handle in &words[..3] {
        world.run(maker, Submission { op: op::RELEASE, handle: *handle, ..Submission::default() });
    }
    world.settle();
    assert_eq!(world.footprint(), before);
    audit::check(&world);
}

#[test]
fn a_process_knows_its_threads_whichever_of_them_end() {
    let mut world = World::new();
    let actor = world.actor("a", PLENTY);
    let mut threads = vec![actor.thread];
    threads.extend((0..4).map(|_| add_thread(&mut world, actor)));
    // The last one comes into the place of each that ends.
    for at in [0, 3, 0, 1] {
        let ends = threads.swap_remove(at);
        let State::Running(processor) = world.kernel.threads[ends].state else { panic!("it runs") };
        let _ = world.kernel.exit(processor, 0);
        world.settle();
        assert_eq!(world.kernel.processes[actor.process].threads, threads);
    }
    assert!(matches!(world.kernel.threads[threads[0]].state, State::Running(_)));
}

#[test]
fn who_ends_leaves_no_deadline() {
    let mut world = World::new();
    let actor = world.actor("a", PLENTY);
    let State::Running(processor) = world.kernel.threads[actor.thread].state else { panic!("it runs") };
    let _ = world.kernel.enter(processor, 1, world.kernel.platform.now + 1000);
    assert_ne!(world.kernel.timers.earliest(), u64::MAX);
    world.kernel.end_process(actor.process, Outcome::Killed);
    world.settle();
    assert_eq!(world.kernel.timers.earliest(), u64::MAX);
}

#[test]
fn an_answered_fault_of_a_suspended_process_lets_its_thread_go_on_when_the_others_do() {
    let mut world = World::new();
    let (holder, victim) = (world.actor("holder", PLENTY), world.actor("victim", PLENTY));
    let control = world.give(holder, Object::Process(victim.process), process::ID);
    let on = |world: &mut World, handle, interface, method, data: &[u64]| {
        let (done, words) = world.call_kernel(holder, handle, interface, method, data);
        assert_eq!(done.status, status::OK);
        world.settle();
        words
    };
    let handler = on(&mut world, control, process::ID, process::handle_faults::METHOD, &[])[0];
    super::process::fault(&mut world, victim);
    on(&mut world, control, process::ID, process::suspend::METHOD, &[]);
    on(&mut world, handler, fault_handler::ID, fault_handler::next::METHOD, &[]);
    let thread = u64::from(victim.thread.index());
    on(&mut world, handler, fault_handler::ID, fault_handler::resume::METHOD, &[thread]);
    assert!(matches!(world.kernel.threads[victim.thread].state, State::Suspended(_)));
    on(&mut world, control, process::ID, process::resume::METHOD, &[]);
    assert!(matches!(world.kernel.threads[victim.thread].state, State::Running(_)));
}

#[test]
fn who_waits_for_the_next_fault_learns_that_none_will_come() {
    let mut world = World::new();
    let (holder, victim) = (world.actor("holder", PLENTY), world.actor("victim", PLENTY));
    let control = world.give(holder, Object::Process(victim.process), process::ID);
    let handler = world.call_kernel(holder, control, process::ID, process::handle_faults::METHOD, &[]).1[0];
    world.write(holder, 0, &[0]);
    let next = Submission {
        op: op::CALL,
        handle: handler,
        interface: fault_handler::ID,
        method: fault_handler::next::METHOD,
        message_bytes: 8,
        result_offset: 1024,
        result_bytes: 64,
        ..Submission::default()
    };
    assert_eq!(world.run(holder, next), []);
    world.kernel.end_process(victim.process, Outcome::Killed);
    world.settle();
    let [end] = world.completions(holder)[..] else { panic!("one end") };
    assert_eq!(end.status, status::STALE);
}
