//! Deadlines of pending operations: each ends at its own, whatever else waits beside it.
use super::calls::{call, pair};
use super::world::{PLENTY, World};
use crate::execution::thread::State;
use capos_abi::ring::{Submission, op};
use capos_abi::status;

const MILLISECOND: u64 = 1_000_000;
/// The tag of the call; the others are those of the waits.
const CALL_TAG: u16 = 1;

#[test]
fn each_operation_ends_at_its_own_deadline() {
    let mut world = World::new();
    let (_, _, client, object) = pair(&mut world);
    let begin = world.kernel.platform.now + 100 * MILLISECOND;
    // Half a millisecond apart, in an order of their own.
    let at = |place: u64| begin + place * MILLISECOND / 2;
    let deadlines = [(2, at(3)), (CALL_TAG, at(1)), (3, at(0)), (4, at(4)), (5, at(2))];
    for (tag, deadline) in deadlines {
        let wait = Submission { op: op::WAIT, tag, arg: 1, ..Submission::default() };
        let entry = if tag == CALL_TAG { call(object) } else { wait };
        assert!(world.run(client, Submission { tag, deadline, ..entry }).is_empty());
    }
    let next = |world: &World| world.kernel.threads[client.thread].ring.earliest_deadline();
    for (place, ends) in [3, CALL_TAG, 5, 2, 4].into_iter().enumerate() {
        let deadline = at(place as u64);
        assert_eq!(next(&world), Some(deadline));
        for (now, expected) in [(deadline - 1, vec![]), (deadline, vec![(ends, status::DEADLINE)])] {
            world.kernel.platform.now = now;
            let _ = world.kernel.timer(0);
            let ended = world.completions(client).into_iter().map(|end| (end.tag, end.status));
            assert_eq!(ended.collect::<Vec<_>>(), expected);
        }
    }
    assert_eq!(next(&world), None, "nothing has a deadline any more");
}

#[test]
fn who_waits_for_completions_goes_on_at_its_deadline() {
    let mut world = World::new();
    let actor = world.actor("a", PLENTY);
    let State::Running(processor) = world.kernel.threads[actor.thread].state else { panic!("not running") };
    let deadline = world.kernel.platform.now + MILLISECOND;
    let _ = world.kernel.enter(processor, 1, deadline);
    for (now, is_over) in [(deadline - 1, false), (deadline, true)] {
        world.kernel.platform.now = now;
        let _ = world.kernel.timer(processor);
        assert_eq!(matches!(world.kernel.threads[actor.thread].state, State::Running(_)), is_over);
    }
    assert_eq!(world.kernel.platform.result(actor.thread.index()), 0, "nothing has completed");
}

#[test]
fn who_enters_behind_its_deadlines_finds_what_has_ended() {
    let mut world = World::new();
    let actor = world.actor("a", PLENTY);
    let deadline = world.kernel.platform.now + MILLISECOND;
    world.run(actor, Submission { op: op::WAIT, tag: 2, arg: 1, deadline, ..Submission::default() });
    for (now, ends) in [(deadline - 1, vec![]), (deadline, vec![(2, status::DEADLINE)])] {
        world.kernel.platform.now = now;
        world.enter(actor, 0);
        let ended = world.completions(actor).into_iter().map(|end| (end.tag, end.status));
        assert_eq!(ended.collect::<Vec<_>>(), ends, "no timer has fired");
    }
}

#[test]
fn a_deadline_is_over_when_it_is_now() {
    let mut world = World::new();
    let actor = world.actor("a", PLENTY);
    world.kernel.platform.now = MILLISECOND;
    let State::Running(processor) = world.kernel.threads[actor.thread].state else { panic!("not running") };
    let _ = world.kernel.enter(processor, 1, MILLISECOND);
    assert_eq!(world.kernel.threads[actor.thread].state, State::Running(processor));
    // For no bits: until then.
    let wait = Submission { op: op::WAIT, tag: 2, ..Submission::default() };
    assert_eq!(world.run(actor, wait)[0].status, status::BAD_ARGUMENT, "nothing would end it");
    assert_eq!(world.run(actor, Submission { deadline: MILLISECOND, ..wait })[0].status, status::DEADLINE);
    assert!(world.run(actor, Submission { deadline: MILLISECOND + 1, ..wait }).is_empty());
}
