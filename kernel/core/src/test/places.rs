//! Places for completions are set aside for what is under way, and given back when it ends.
use super::calls::{call, pair, receive, reply};
use super::world::{Actor, World};
use capos_abi::ring::{COMPLETION_ENTRIES, Submission, flag, kind};

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
