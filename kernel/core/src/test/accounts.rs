//! Accounts of processor time: what changes them, and who they are lent to.
use super::calls::{call, pair, receive};
use super::scheduling::bind;
use super::world::{PLENTY, World};
use crate::execution::schedule::account::{Account, Numbers, SLICE_NANOSECONDS};
use crate::ipc::notification::Signalled;
use capos_abi::ring::{Submission, op};

const MILLISECOND: u64 = 1_000_000;

#[test]
fn other_numbers_forgive_nothing() {
    let mut account = Account::new(Numbers::ORDINARY);
    account.arrive(100 * SLICE_NANOSECONDS);
    account.run(7 * MILLISECOND);
    let place = account.place();
    account.change(Numbers { weight: 200, ..Numbers::ORDINARY });
    account.arrive(100 * SLICE_NANOSECONDS);
    assert_eq!(account.place(), place);
}

#[test]
fn a_period_begins_when_a_thread_runs_after_the_end_of_the_one_before() {
    let (budget, period) = (MILLISECOND, 10 * MILLISECOND);
    let mut account = Account::new(Numbers { budget, period, ..Numbers::ORDINARY });
    // It runs for a budget, is away for many periods, and runs again.
    for now in [3 * MILLISECOND, 777 * MILLISECOND] {
        assert_eq!(account.exhausted_until(now), None);
        account.run(budget);
        assert_eq!(account.exhausted_until(now + budget), Some(now + period));
    }
}

#[test]
fn a_lender_whose_numbers_change_has_its_account_back() {
    let mut world = World::new();
    world.kernel.platform.processors = 1;
    let (server, own, client, object) = pair(&mut world);
    world.submit(server, receive(own));
    world.enter(server, 1);
    world.submit(client, call(object));
    world.enter(client, 1);
    assert_eq!(world.kernel.current(0), Some(server.thread));
    world.kernel.settle_account(client.thread);
    let used = |world: &World| [server, client].map(|actor| world.kernel.threads[actor.thread].account.consumed);
    let before = used(&world);
    world.kernel.reconsider(client.thread);
    world.kernel.platform.now += MILLISECOND;
    world.kernel.settle_account(server.thread);
    assert_eq!(used(&world), [before[0] + MILLISECOND, before[1]]);
}

#[test]
fn an_urgent_thread_that_wakes_elsewhere_interrupts_a_processor_where_others_wait() {
    let mut world = World::new();
    world.kernel.platform.processors = 2;
    let holder = world.actor("holder", PLENTY);
    let pinned = |processors| Numbers { processors, ..Numbers::ORDINARY };
    bind(&mut world, holder, holder.thread, pinned(1));
    for _ in 0..3 {
        let busy = world.actor("busy", PLENTY);
        bind(&mut world, holder, busy.thread, pinned(2));
    }
    let urgent = world.actor("urgent", PLENTY);
    bind(&mut world, holder, urgent.thread, Numbers { slice: MILLISECOND / 4, ..pinned(2) });
    world.submit(urgent, Submission { op: op::WAIT, tag: 3, arg: 1, ..Submission::default() });
    world.enter(urgent, 1);
    world.kernel.platform.now += 20 * SLICE_NANOSECONDS;
    let _ = world.kernel.timer(1);
    world.settle();
    world.kernel.begin_stay(0);
    world.kernel.set_bits(Signalled::Thread(urgent.thread), 1);
    let _ = world.kernel.reschedule(0);
    assert_eq!(world.kernel.platform.all_interrupted(), [1]);
    world.settle();
    assert_eq!(world.kernel.current(1), Some(urgent.thread));
}
