//! A process of thousands of threads starts, stands still, goes on and ends in steps.
use super::world::World;
use crate::execution::process::{Outcome, Process};
use crate::execution::thread::{State, Thread};
use crate::ledger::{Amounts, Ledger, Resource};
use crate::slab::Id;
use capos_abi::ring::MIN_AREA_BYTES;

/// Its threads.
const CROWD: usize = 2_000;
/// Threads that one stay starts, suspends, wakes or stops at most.
const THREADS_IN_A_STAY: usize = 20;

/// A process of many threads that has not started.
fn crowd(world: &mut World) -> Id<Process> {
    let k = &mut world.kernel;
    k.ledgers[world.root].charge(Resource::Objects, 1).expect("room");
    let limits = Amounts::new([15_000, 10, 10, CROWD as u64]);
    let ledger = Ledger::child(&mut k.ledgers, world.root, limits).expect("room");
    k.ledgers[ledger].charge(Resource::Objects, 1).expect("room");
    k.ledgers[ledger].references += 1;
    let process = k.new_process(ledger, k.sessions.system, "crowd").expect("room");
    for _ in 0..CROWD {
        world.kernel.begin_stay(7);
        world.kernel.new_thread(ledger, process, Default::default(), MIN_AREA_BYTES).expect("room");
        world.settle();
    }
    process
}

fn count(world: &World, process: Id<Process>, is_meant: impl Fn(&Thread) -> bool) -> usize {
    let threads = world.kernel.processes[process].threads.iter();
    threads.filter(|&&thread| is_meant(&world.kernel.threads[thread])).count()
}

/// Lets stays follow until this is true of every thread; of few more in each of them.
fn all_in_steps(world: &mut World, process: Id<Process>, is_meant: impl Fn(&Thread) -> bool + Copy) {
    let mut before = 0;
    while before < CROWD {
        world.stay();
        let now = count(world, process, is_meant);
        assert!((before + 1..=before + THREADS_IN_A_STAY).contains(&now), "{before}, then {now}");
        before = now;
    }
}

fn is_awake(thread: &Thread) -> bool {
    matches!(thread.state, State::Ready | State::Running(_))
}

#[test]
fn thousands_of_threads_start_and_go_on_in_steps() {
    let mut world = World::new();
    let process = crowd(&mut world);
    assert_eq!(count(&world, process, |thread| thread.state == State::Created), CROWD);
    world.kernel.stay.end();
    world.kernel.begin_process(process);
    all_in_steps(&mut world, process, is_awake);
    let mut stood = 0;
    loop {
        world.kernel.begin_stay(7);
        let all = world.kernel.suspend_step(process);
        let stand = count(&world, process, |thread| matches!(thread.state, State::Suspended(_)));
        assert!(stand - stood <= THREADS_IN_A_STAY + world.kernel.platform.processors, "{stood}, then {stand}");
        stood = stand;
        if all {
            break;
        }
        world.settle();
    }
    assert_eq!(stood, CROWD);
    world.kernel.stay.end();
    world.kernel.begin_process(process);
    all_in_steps(&mut world, process, is_awake);
}

#[test]
fn who_is_suspended_before_all_are_awake_wakes_once() {
    let mut world = World::new();
    let process = crowd(&mut world);
    for _ in 0..3 {
        world.kernel.begin_stay(7);
        world.kernel.begin_process(process);
        world.kernel.begin_stay(7);
        while !world.kernel.suspend_step(process) {
            world.stay();
        }
    }
    world.settle();
    assert_eq!(count(&world, process, is_awake), 0, "nobody was passed by");
    world.kernel.begin_process(process);
    world.settle();
    assert_eq!(count(&world, process, is_awake), CROWD);
}

#[test]
fn thousands_of_threads_end_in_steps() {
    let mut world = World::new();
    let before = world.footprint();
    let process = crowd(&mut world);
    world.kernel.begin_process(process);
    world.settle();
    world.kernel.end_process(process, Outcome::Killed);
    let (mut left, mut stays) = (CROWD, 0);
    while let Some(entry) = world.kernel.processes.get(process) {
        let now = entry.threads.len();
        assert!(left - now <= THREADS_IN_A_STAY, "{left}, then {now}");
        (left, stays) = (now, stays + 1);
        world.stay();
    }
    assert!(stays > CROWD / THREADS_IN_A_STAY, "{stays} stays");
    assert_eq!(world.footprint(), before);
}
