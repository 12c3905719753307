//! Places for completions are set aside for what is under way, and given back when it ends.
use super::calls::{call, pair, receive, reply};
use super::world::{Actor, PLENTY, World};
use crate::authority::capability::Object;
use crate::execution::thread::State;
use capos_abi::interface::null;
use capos_abi::ring::{COMPLETION_ENTRIES, SUBMISSION_ENTRIES, Submission, flag, kind, op};

/// How many places are set aside on an actor's ring.
pub fn reserved(world: &World, actor: Actor) -> u32 {
    let positions = &world.kernel.threads[actor.thread].ring.positions;
    COMPLETION_ENTRIES - positions.free_completions() - positions.unread()
}

#[test]
fn a_quiet_call_gives_its_place_back() {
    let mut world = World::new();
    let (server, own, client, object) = pair(&mut world);
    world.run(server, receive(own));
    assert!(world.run(client, Submission { flags: flag::QUIET, ..call(object) }).is_empty());
    assert_eq!(reserved(&world, client), 1);
    world.enter(server, 0);
    let delivery = world.completions(server)[0];
    world.run(server, reply(delivery.value));
    world.enter(client, 0);
    assert!(world.completions(client).is_empty(), "nobody is told");
    assert_eq!(reserved(&world, client), 0);
}

#[test]
fn a_call_waits_until_there_is_room_for_its_delivery_and_the_notice_of_its_end() {
    let mut world = World::new();
    let (server, own, client, object) = pair(&mut world);
    world.run(server, receive(own));
    let all_but_one = world.kernel.threads[server.thread].ring.positions.free_completions() - 1;
    world.kernel.threads[server.thread].ring.positions.reserve_free(all_but_one);
    world.run(client, call(object));
    world.enter(server, 0);
    assert!(world.completions(server).is_empty());
    world.kernel.threads[server.thread].ring.positions.unreserve(1);
    world.enter(server, 0);
    assert_eq!(world.completions(server)[0].kind, kind::DELIVERY);
}

#[test]
fn a_quiet_entry_gives_its_place_back() {
    let mut world = World::new();
    let actor = world.actor("a", PLENTY);
    let null = world.give(actor, Object::Null, null::ID);
    let release = Submission { op: op::RELEASE, handle: null, ..Submission::default() };
    for entry in [Submission::default(), release] {
        assert!(world.run(actor, Submission { flags: flag::QUIET, ..entry }).is_empty());
        assert_eq!(reserved(&world, actor), 0);
    }
}

#[test]
fn who_wants_more_completions_than_there_are_places_goes_on_with_a_full_queue() {
    let mut world = World::new();
    let actor = world.actor("a", PLENTY);
    let State::Running(processor) = world.kernel.threads[actor.thread].state else { panic!("the actor runs") };
    let mut entries = 0;
    while entries < COMPLETION_ENTRIES {
        (0..SUBMISSION_ENTRIES).for_each(|_| world.submit(actor, Submission::default()));
        let _ = world.kernel.enter(processor, 0, 0);
        entries += SUBMISSION_ENTRIES;
    }
    let _ = world.kernel.enter(processor, u32::MAX, 0);
    assert_eq!(world.kernel.threads[actor.thread].state, State::Running(processor));
    assert_eq!(world.kernel.platform.result(actor.thread.index()), COMPLETION_ENTRIES.into());
}
