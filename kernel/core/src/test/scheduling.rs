//! The scheduler against simple models: shares, latency, budgets, masks.
use super::world::{Actor, PLENTY, World};
use crate::authority::capability::Object;
use crate::execution::schedule::RunQueue;
use crate::execution::schedule::account::{Account, Numbers, SLICE_NANOSECONDS};
use crate::execution::thread::{State, Thread};
use crate::ipc::notification::Signalled;
use crate::ledger::Amounts;
use crate::platform::Registers;
use crate::slab::Id;
use capos_abi::interface::{scheduling_authority, scheduling_context, thread};
use capos_abi::ring::{Submission, op};
use capos_abi::status;
use proptest::prelude::*;

const MILLISECOND: u64 = 1_000_000;
/// The smallest ring.
const RING_BYTES: u32 = 16 << 10;

proptest! {
    #[test]
    fn shares_follow_weights(weights in proptest::collection::vec(10u32..1000, 2..12), slices in proptest::collection::vec(1u64..20, 12)) {
        let numbers = |i: usize| Numbers { weight: weights[i], slice: slices[i] * MILLISECOND, ..Numbers::ORDINARY };
        let mut accounts: Vec<Account> = (0..weights.len()).map(|i| Account::new(numbers(i))).collect();
        let mut queue = RunQueue::new();
        prop_assert!(queue.prepare(accounts.len()).is_ok());
        for (i, account) in accounts.iter_mut().enumerate() {
            account.arrive(queue.virtual_now());
            queue.push(i as u32, account.deadline());
        }
        let total: u64 = 400 * 20 * MILLISECOND;
        let mut now = 0;
        while now < total {
            let Some(next) = queue.pop() else { return Err(TestCaseError::fail("somebody always waits")) };
            let i = next as usize;
            queue.advance(accounts[i].place());
            let ran = accounts[i].allowance();
            accounts[i].run(ran);
            now += ran;
            accounts[i].arrive(queue.virtual_now());
            queue.push(next, accounts[i].deadline());
        }
        let all: u64 = weights.iter().map(|&w| u64::from(w)).sum();
        // Nobody is further from his share than two of the longest slices.
        for (account, &weight) in accounts.iter().zip(&weights) {
            let share = u128::from(now) * u128::from(weight) / u128::from(all);
            prop_assert!(account.consumed.abs_diff(share as u64) <= 2 * 20 * MILLISECOND, "{} of {share}", account.consumed);
        }
    }
}

#[test]
fn a_budget_is_a_limit_in_each_period() {
    let mut account = Account::new(Numbers { budget: 2 * MILLISECOND, period: 10 * MILLISECOND, ..Numbers::ORDINARY });
    let (mut now, mut ran) = (0, 0);
    while now < 1000 * MILLISECOND {
        match account.exhausted_until(now) {
            Some(later) => now = later,
            None => {
                let allowance = account.allowance();
                account.run(allowance);
                (now, ran) = (now + allowance, ran + allowance);
            }
        }
    }
    assert_eq!(ran, 100 * 2 * MILLISECOND);
}

/// Time goes from timer to timer here: the end of a budget must have one.
#[test]
fn a_budget_ends_on_an_idle_machine_too() {
    let mut world = World::new();
    world.kernel.platform.processors = 1;
    let holder = world.actor("holder", PLENTY);
    let limited = world.actor("limited", PLENTY);
    let numbers = Numbers { budget: MILLISECOND, period: 4 * MILLISECOND, ..Numbers::ORDINARY };
    bind(&mut world, holder, limited.thread, numbers);
    wait(&mut world, holder);
    let (mut ran, begin) = (0, world.kernel.platform.now);
    while world.kernel.platform.now < begin + 400 * MILLISECOND {
        let (before, runs) = (world.kernel.platform.now, running(&world, 0) == Some(limited.thread));
        assert_eq!(world.kernel.platform.fire_timers(), [0], "a timer is set");
        ran += if runs { world.kernel.platform.now - before } else { 0 };
        let _ = world.kernel.timer(0);
    }
    assert!((99 * MILLISECOND..=101 * MILLISECOND).contains(&ran), "{ran}");
}

#[test]
fn numbers_that_make_no_sense_are_refused() {
    let good = Numbers::ORDINARY;
    assert!(good.are_valid(4));
    for bad in [
        Numbers { weight: 0, ..good },
        Numbers { weight: 10_001, ..good },
        Numbers { slice: 99_999, ..good },
        Numbers { processors: 0x10, ..good },
        Numbers { budget: 1, ..good },
        Numbers { period: MILLISECOND, ..good },
        Numbers { budget: 2 * MILLISECOND, period: MILLISECOND, ..good },
    ] {
        assert!(!bad.are_valid(4), "{bad:?}");
    }
}

/// A process with so many threads that always want to run, on one processor.
fn busy(world: &mut World, count: usize) -> Vec<Id<Thread>> {
    let actor = world.actor("busy", Amounts::new([3000, 100, 100, 64]));
    let ledger = world.kernel.processes[actor.process].ledger;
    let registers = Registers { entry: 0x20_0000, ..Registers::default() };
    let mut threads = vec![actor.thread];
    for _ in 1..count {
        threads.push(world.kernel.new_thread(ledger, actor.process, registers, RING_BYTES).expect("room"));
    }
    world.settle();
    threads
}

pub(super) fn running(world: &World, processor: usize) -> Option<Id<Thread>> {
    world.kernel.current(processor)
}

/// Lets a processor run for so long, in steps of an eighth of a slice; nanoseconds that each thread got.
pub(super) fn run_for(world: &mut World, processor: usize, nanoseconds: u64) -> Vec<(Id<Thread>, u64)> {
    let step = SLICE_NANOSECONDS / 8;
    let mut got: Vec<(Id<Thread>, u64)> = Vec::new();
    for _ in 0..nanoseconds / step {
        if let Some(thread) = running(world, processor) {
            match got.iter_mut().find(|(t, _)| *t == thread) {
                Some((_, sum)) => *sum += step,
                None => got.push((thread, step)),
            }
        }
        world.kernel.platform.now += step;
        let _ = world.kernel.timer(processor);
    }
    got
}

/// A context with these numbers, bound to a thread.
pub(super) fn bind(world: &mut World, holder: Actor, to: Id<Thread>, numbers: Numbers) -> u64 {
    let authority = world.give(holder, Object::SchedulingAuthority, scheduling_authority::ID);
    let (ledger, target) = (world.ledger(holder), world.give(holder, Object::Thread(to), thread::ID));
    let Numbers { weight, slice, budget, period, processors } = numbers;
    // Numbers travel as differences from their defaults.
    let data = [u64::from(weight) ^ 100, slice ^ 5_000_000, budget, period, processors ^ u64::MAX];
    let (interface, create) = (scheduling_authority::ID, scheduling_authority::create::METHOD);
    let (made, words) = world.call_with(holder, authority, interface, create, ledger, &data);
    assert_eq!(made.status, status::OK);
    let (context, bind) = (words[0], scheduling_context::bind::METHOD);
    let (bound, _) = world.call_with(holder, context, scheduling_context::ID, bind, target, &[]);
    assert_eq!(bound.status, status::OK);
    world.settle();
    context
}

#[test]
fn busy_threads_get_the_same() {
    let mut world = World::new();
    world.kernel.platform.processors = 1;
    let threads = busy(&mut world, 10);
    let got = run_for(&mut world, 0, 200 * SLICE_NANOSECONDS);
    assert_eq!(got.len(), threads.len());
    for (thread, sum) in got {
        assert!(sum.abs_diff(20 * SLICE_NANOSECONDS) <= 2 * SLICE_NANOSECONDS, "{thread:?}: {sum}");
    }
}

/// Lets a thread wait for its notification.
fn wait(world: &mut World, who: Actor) {
    world.submit(who, Submission { op: op::WAIT, tag: 3, arg: 1, ..Submission::default() });
    world.enter(who, 1);
    assert!(matches!(world.kernel.threads[who.thread].state, State::Blocked(_)));
}

/// Wakes a thread that waits; whether it runs at once.
fn wakes_at_once(world: &mut World, who: Actor) -> bool {
    world.kernel.set_bits(Signalled::Thread(who.thread), 1);
    let _ = world.kernel.reschedule(0);
    running(world, 0) == Some(who.thread)
}

#[test]
fn a_thread_of_an_urgent_class_runs_as_soon_as_it_wakes_among_fifty_busy_ones() {
    let mut world = World::new();
    world.kernel.platform.processors = 1;
    let holder = world.actor("holder", PLENTY);
    let urgent = world.actor("urgent", PLENTY);
    bind(&mut world, holder, urgent.thread, Numbers { slice: MILLISECOND, ..Numbers::ORDINARY });
    wait(&mut world, urgent);
    busy(&mut world, 50);
    run_for(&mut world, 0, 60 * SLICE_NANOSECONDS);
    for _ in 0..20 {
        run_for(&mut world, 0, SLICE_NANOSECONDS);
        assert!(wakes_at_once(&mut world, urgent));
        world.completions(urgent);
        wait(&mut world, urgent);
    }
}

#[test]
fn a_thread_of_an_urgent_class_that_wakes_all_the_time_gets_no_more_than_its_share() {
    for slice in [SLICE_NANOSECONDS, 20 * SLICE_NANOSECONDS] {
        let mut world = World::new();
        world.kernel.platform.processors = 1;
        let holder = world.actor("holder", PLENTY);
        let urgent = world.actor("urgent", PLENTY);
        bind(&mut world, holder, urgent.thread, Numbers { slice: MILLISECOND, ..Numbers::ORDINARY });
        let other = busy(&mut world, 1)[0];
        bind(&mut world, holder, other, Numbers { slice, ..Numbers::ORDINARY });
        wait(&mut world, holder);
        let used = |world: &World, thread| world.kernel.threads[thread].account.consumed;
        let (begin, before) = (world.kernel.platform.now, used(&world, urgent.thread));
        while world.kernel.platform.now < begin + 100 * slice {
            while running(&world, 0) != Some(urgent.thread) {
                run_for(&mut world, 0, SLICE_NANOSECONDS / 8);
            }
            world.kernel.platform.now += MILLISECOND * 9 / 10;
            world.completions(urgent);
            wait(&mut world, urgent);
            wakes_at_once(&mut world, urgent);
        }
        let (all, got) = (world.kernel.platform.now - begin, used(&world, urgent.thread) - before);
        assert!(got <= all / 2 + 2 * slice, "{got} of {all} beside a slice of {slice}");
    }
}

#[test]
fn an_ordinary_thread_that_was_away_runs_as_soon_as_it_wakes_and_gets_no_more_than_its_share() {
    let mut world = World::new();
    world.kernel.platform.processors = 1;
    let sleeper = world.actor("sleeper", PLENTY);
    run_for(&mut world, 0, SLICE_NANOSECONDS);
    wait(&mut world, sleeper);
    busy(&mut world, 50);
    run_for(&mut world, 0, 60 * SLICE_NANOSECONDS);
    let before = world.kernel.threads[sleeper.thread].account.consumed;
    for _ in 0..20 {
        run_for(&mut world, 0, 51 * SLICE_NANOSECONDS);
        assert!(wakes_at_once(&mut world, sleeper));
        while running(&world, 0) == Some(sleeper.thread) {
            run_for(&mut world, 0, SLICE_NANOSECONDS / 8);
        }
        while running(&world, 0) != Some(sleeper.thread) {
            run_for(&mut world, 0, SLICE_NANOSECONDS / 8);
        }
        world.completions(sleeper);
        wait(&mut world, sleeper);
    }
    let got = world.kernel.threads[sleeper.thread].account.consumed - before;
    assert!(got <= 2 * 20 * SLICE_NANOSECONDS, "{got}");
}

#[test]
fn a_thread_that_gives_way_lets_all_others_run_first() {
    let mut world = World::new();
    world.kernel.platform.processors = 1;
    let impatient = world.actor("impatient", PLENTY);
    let mut others = busy(&mut world, 10);
    // Somebody has just had a whole slice when the impatient one runs.
    run_for(&mut world, 0, SLICE_NANOSECONDS);
    while running(&world, 0) != Some(impatient.thread) {
        run_for(&mut world, 0, SLICE_NANOSECONDS / 8);
    }
    world.submit(impatient, Submission { op: op::WAIT, tag: 3, deadline: 1, ..Submission::default() });
    world.enter(impatient, 1);
    while running(&world, 0) != Some(impatient.thread) {
        let runs = running(&world, 0);
        others.retain(|&other| Some(other) != runs);
        run_for(&mut world, 0, SLICE_NANOSECONDS / 8);
    }
    assert!(others.is_empty(), "{others:?}");
    assert_eq!(world.completions(impatient)[0].status, status::DEADLINE);
}

#[test]
fn a_new_thread_waits_for_its_turn() {
    let mut world = World::new();
    world.kernel.platform.processors = 1;
    busy(&mut world, 3);
    run_for(&mut world, 0, 10 * SLICE_NANOSECONDS);
    let before = running(&world, 0);
    world.actor("newcomer", PLENTY);
    let _ = world.kernel.reschedule(0);
    assert_eq!(running(&world, 0), before);
}

#[test]
fn a_thread_on_a_budget_leaves_the_rest_to_others() {
    let mut world = World::new();
    world.kernel.platform.processors = 1;
    let holder = world.actor("holder", PLENTY);
    let limited = world.actor("limited", PLENTY);
    let numbers = Numbers { budget: SLICE_NANOSECONDS / 4, period: 10 * SLICE_NANOSECONDS, ..Numbers::ORDINARY };
    let context = bind(&mut world, holder, limited.thread, numbers);
    let got = run_for(&mut world, 0, 400 * SLICE_NANOSECONDS);
    let sum = got.iter().find(|(thread, _)| *thread == limited.thread).map_or(0, |(_, sum)| *sum);
    assert!((9 * SLICE_NANOSECONDS..=41 * SLICE_NANOSECONDS / 4).contains(&sum), "{sum}");
    let inspect = scheduling_context::inspect::METHOD;
    let (done, words) = world.call_kernel(holder, context, scheduling_context::ID, inspect, &[]);
    let consumed = scheduling_context::inspect::results::CONSUMED;
    assert_eq!(done.status, status::OK);
    let said = words[1 + consumed.offset as usize / 8];
    assert!(said + SLICE_NANOSECONDS >= sum && said <= sum + 4 * SLICE_NANOSECONDS, "{said} beside {sum}");
    let unbind = scheduling_context::unbind::METHOD;
    assert_eq!(world.call_kernel(holder, context, scheduling_context::ID, unbind, &[]).0.status, status::OK);
    let got = run_for(&mut world, 0, 40 * SLICE_NANOSECONDS);
    let sum = got.iter().find(|(thread, _)| *thread == limited.thread).map_or(0, |(_, sum)| *sum);
    assert!(sum >= 18 * SLICE_NANOSECONDS, "it has its share again: {sum}");
}
