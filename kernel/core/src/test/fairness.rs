//! Who runs when: nobody waits for ever.
use super::calls::{call, pair, receive, reply};
use super::world::{PLENTY, World};
use crate::execution::schedule::account::SLICE_NANOSECONDS;
use crate::execution::thread::State;
use capos_abi::ring::{Submission, flag};

#[test]
fn threads_that_hand_over_to_each_other_keep_nobody_from_running() {
    let mut world = World::new();
    world.kernel.platform.processors = 1;
    let (server, own, client, object) = pair(&mut world);
    let other = world.actor("other", PLENTY);
    world.submit(server, receive(own));
    world.enter(server, 1);
    let mut turns = 0;
    while world.kernel.threads[other.thread].state != State::Running(0) {
        world.kernel.platform.now += SLICE_NANOSECONDS / 4;
        let _ = world.kernel.timer(0);
        if world.kernel.threads[client.thread].state == State::Running(0) {
            world.completions(client);
            world.submit(client, call(object));
            world.enter(client, 1);
        } else if world.kernel.threads[server.thread].state == State::Running(0) {
            let deliveries = world.completions(server);
            deliveries.iter().for_each(|d| world.submit(server, Submission { flags: flag::QUIET, ..reply(d.value) }));
            world.enter(server, 1);
        }
        turns += 1;
        assert!(turns < 100, "the other thread never runs");
    }
}
