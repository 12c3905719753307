//! What is long goes on in later stays, and others come in between.
use super::calls::{call, pair};
use super::world::{Actor, PLENTY, World};
use crate::authority::capability::Object;
use crate::console::MAX_BEHIND;
use crate::execution::process::Outcome;
use crate::execution::thread::{State, Thread};
use crate::memory::frame::FRAME_BYTES;
use crate::slab::Id;
use capos_abi::interface::{log_sink, null};
use capos_abi::ring::{Submission, op};
use capos_abi::status;

/// Bytes that one stay clears at most.
const CLEARED_IN_A_STAY: u64 = 20 * FRAME_BYTES;
/// Calls of one client that wait at once.
const CALLS: u16 = 100;

/// A thread with the largest ring area, and how many stays it took to clear that.
fn thread_with_large_ring(world: &mut World, actor: Actor) -> (Id<Thread>, u32) {
    let ledger = world.kernel.processes[actor.process].ledger;
    world.kernel.begin_stay(0);
    let thread = world.kernel.new_thread(ledger, actor.process, Default::default(), 2 << 20).expect("room");
    let mut stays = 1;
    while world.kernel.threads[thread].state == State::Clearing {
        let before = world.kernel.platform.zeroed;
        world.stay();
        assert!(world.kernel.platform.zeroed - before <= CLEARED_IN_A_STAY);
        stays += 1;
    }
    (thread, stays)
}

#[test]
fn a_large_ring_area_is_cleared_in_steps() {
    let mut world = World::new();
    let actor = world.actor("a", PLENTY);
    let (thread, stays) = thread_with_large_ring(&mut world, actor);
    assert!(stays > 20, "2 MiB in {stays} stays");
    assert!(matches!(world.kernel.threads[thread].state, State::Ready | State::Running(_)));
}

#[test]
fn a_thread_can_end_while_its_ring_area_is_cleared() {
    let mut world = World::new();
    let before = world.footprint();
    let actor = world.actor("a", PLENTY);
    let ledger = world.kernel.processes[actor.process].ledger;
    world.kernel.begin_stay(0);
    let thread = world.kernel.new_thread(ledger, actor.process, Default::default(), 2 << 20).expect("room");
    world.stay();
    assert_eq!(world.kernel.threads[thread].state, State::Clearing);
    world.kernel.end_process(actor.process, Outcome::Killed);
    world.settle();
    assert_eq!(world.footprint(), before);
}

/// A client whose calls wait at an endpoint that nobody receives from.
fn queue(world: &mut World) -> (Actor, u64, Actor) {
    let (server, own, client, object) = pair(world);
    for tag in 0..CALLS {
        world.submit(client, Submission { caps: 0, tag, user_data: tag.into(), ..call(object) });
        world.enter(client, 0);
    }
    assert!(world.completions(client).is_empty(), "all wait");
    (server, own, client)
}

/// Statuses of what has completed until nothing more does, a list for each stay.
fn by_stay(world: &mut World, client: Actor) -> Vec<Vec<i32>> {
    let mut stays = Vec::new();
    while !world.kernel.chores.is_empty() {
        world.stay();
        stays.push(world.completions(client).iter().map(|c| c.status).collect::<Vec<_>>());
    }
    stays.retain(|stay| !stay.is_empty());
    stays
}

#[test]
fn calls_queued_at_an_endpoint_end_in_steps() {
    let mut world = World::new();
    let (server, own, client) = queue(&mut world);
    world.submit(server, Submission { op: op::RELEASE, handle: own, ..Submission::default() });
    let State::Running(processor) = world.kernel.threads[server.thread].state else { panic!("the server runs") };
    let _ = world.kernel.enter(processor, 0, 0);
    let mut stays = vec![world.completions(client).iter().map(|c| c.status).collect::<Vec<_>>()];
    stays.extend(by_stay(&mut world, client));
    assert!(stays.len() > 3, "{stays:?}");
    assert_eq!(stays.concat(), vec![status::STALE; CALLS.into()]);
}

#[test]
fn the_search_for_calls_of_a_dead_minter_goes_on_behind_a_cancelled_call() {
    let mut world = World::new();
    let (server, _, client) = queue(&mut world);
    let endpoint = world.kernel.endpoints.id_at(0).expect("the endpoint");
    world.kernel.end_process(server.process, Outcome::Killed);
    while world.kernel.endpoints.get(endpoint).is_some_and(|e| e.sweep.is_none()) {
        world.stay();
    }
    let cursor = world.kernel.endpoints[endpoint].sweep.expect("the search stands still");
    let ended = world.completions(client).len();
    world.kernel.begin_stay(7);
    world.kernel.abort(cursor, status::CANCELLED);
    assert_eq!(world.completions(client)[0].status, status::CANCELLED);
    let rest = by_stay(&mut world, client).concat();
    assert_eq!(rest, vec![status::STALE; usize::from(CALLS) - 1 - ended]);
}

#[test]
fn a_console_that_takes_nothing_holds_up_only_who_writes_too_much() {
    let mut world = World::new();
    let (writer, other) = (world.actor("writer", PLENTY), world.actor("other", PLENTY));
    world.kernel.platform.console_is_busy = true;
    let handle = world.give(writer, Object::KernelLog, log_sink::ID);
    // The text of `write`: a pointer to a list of bytes, whose last one is zero.
    let mut message = vec![1 << 48, 1 | 2 << 32 | 400 << 35];
    message.extend([u64::from_le_bytes([b'x'; 8]); 49]);
    message.push(u64::from_le_bytes(*b"xxxxxxx\0"));
    world.write(writer, 0, &message);
    let write = Submission {
        op: op::CALL,
        handle,
        interface: log_sink::ID,
        method: log_sink::write::METHOD,
        message_bytes: message.len() as u32 * 8,
        result_offset: 1024,
        result_bytes: 64,
        ..Submission::default()
    };
    let State::Running(processor) = world.kernel.threads[writer.thread].state else { panic!("the writer runs") };
    let mut waits = 0;
    for _ in 0..40 {
        world.submit(writer, write);
        let _ = world.kernel.enter(processor, 0, 0);
        waits += u32::from(world.kernel.platform.again.remove(&writer.thread.index()));
    }
    assert!(waits > 0 && world.kernel.log.behind() <= MAX_BEHIND + 512, "{waits} {}", world.kernel.log.behind());
    let handle = world.give(other, Object::Null, null::ID);
    let State::Running(processor) = world.kernel.threads[other.thread].state else { panic!("the other runs") };
    world.submit(other, Submission { op: op::RELEASE, handle, ..Submission::default() });
    let _ = world.kernel.enter(processor, 0, 0);
    assert_eq!(world.completions(other).len(), 1, "the other goes on");
    world.kernel.platform.console_is_busy = false;
    world.settle();
    assert_eq!(world.kernel.log.behind(), 0);
}
