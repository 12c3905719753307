//! The memory of rings: cleared as it is used, in steps.
use super::calls::{SLOT_BYTES, pair, receive};
use super::world::{Actor, PLENTY, World};
use crate::Next;
use crate::execution::thread::{State, Thread};
use crate::execution::trap::FaultAccess;
use crate::memory::frame::FRAME_BYTES;
use crate::slab::Id;
use capos_abi::ring::{ARENA_OFFSET, MAX_AREA_BYTES, MIN_AREA_BYTES, Submission};
use capos_abi::status;

/// Bytes that one stay clears at most.
const CLEARED_IN_A_STAY: u64 = 20 * FRAME_BYTES;

/// Another thread of an actor's process, with the largest ring area.
fn thread_with_large_ring(world: &mut World, actor: Actor) -> Id<Thread> {
    let ledger = world.kernel.processes[actor.process].ledger;
    world.kernel.begin_stay(0);
    world.kernel.new_thread(ledger, actor.process, Default::default(), MAX_AREA_BYTES).expect("room")
}

/// The actor touches an address again and again until something is mapped there: how many stays that took; `None`: it faults.
fn touch(world: &mut World, actor: Actor, address: u64, access: FaultAccess) -> Option<u32> {
    let space = world.kernel.processes[actor.process].space.expect("alive").0.0;
    let page = address & !(FRAME_BYTES - 1);
    for stays in 0.. {
        if world.kernel.platform.pages.contains_key(&(space, page)) {
            return Some(stays);
        }
        let before = world.kernel.platform.zeroed;
        let State::Running(processor) = world.kernel.threads[actor.thread].state else { return None };
        let next = world.kernel.page_fault(processor, address, access, false, 0);
        assert!(world.kernel.platform.zeroed - before <= CLEARED_IN_A_STAY);
        if !matches!(next, Next::Run(thread) if thread == actor.thread.index()) {
            return None;
        }
    }
    None
}

#[test]
fn a_ring_area_is_cleared_in_steps_when_it_is_touched() {
    let mut world = World::new();
    let actor = world.actor("a", PLENTY);
    let before = world.kernel.platform.zeroed;
    let thread = thread_with_large_ring(&mut world, actor);
    assert_eq!(world.kernel.platform.zeroed - before, u64::from(MIN_AREA_BYTES));
    let start = world.kernel.threads[thread].ring_address;
    assert_eq!(touch(&mut world, actor, start, FaultAccess::Write), Some(0), "the queues are there from the start");
    let page = start + u64::from(MIN_AREA_BYTES);
    assert_eq!(touch(&mut world, actor, page, FaultAccess::Read), Some(1));
    assert_eq!(world.kernel.platform.zeroed - before, u64::from(MIN_AREA_BYTES) + FRAME_BYTES);
    let stays = touch(&mut world, actor, start + u64::from(MAX_AREA_BYTES) - 1, FaultAccess::Write);
    assert!(stays.is_some_and(|stays| stays > 20), "2 MiB in {stays:?} stays");
    assert_eq!(world.kernel.platform.zeroed - before, u64::from(MAX_AREA_BYTES), "each page once");
}

#[test]
fn nobody_executes_a_ring_area() {
    let mut world = World::new();
    let actor = world.actor("a", PLENTY);
    let page = world.kernel.threads[actor.thread].ring_address + u64::from(MIN_AREA_BYTES);
    assert_eq!(touch(&mut world, actor, page, FaultAccess::Execute), None);
}

#[test]
fn an_entry_may_name_what_nobody_has_touched() {
    let mut world = World::new();
    let (server, own, ..) = pair(&mut world);
    let thread = server.thread;
    let all = world.kernel.threads[thread].ring.area_bytes;
    let last = all - ARENA_OFFSET - 4 * SLOT_BYTES;
    let behind = world.run(server, Submission { message_offset: last + 8, ..receive(own) });
    assert_eq!(behind[0].status, status::BAD_RANGE);
    assert_eq!(world.kernel.threads[thread].ring.area.bytes, all, "that was to be seen");
    assert!(world.run(server, Submission { message_offset: last, ..receive(own) }).is_empty(), "it waits");
}

#[test]
fn an_entry_has_only_as_much_cleared_as_twice_what_was() {
    let mut world = World::new();
    let (server, own, ..) = pair(&mut world);
    assert!(world.run(server, Submission { message_offset: 0, arg: 1, ..receive(own) }).is_empty(), "it waits");
    assert_eq!(world.kernel.threads[server.thread].ring.area.bytes, 2 * MIN_AREA_BYTES);
}

#[test]
fn a_ring_area_goes_with_its_thread_however_much_of_it_is_clear() {
    let mut world = World::new();
    let before = world.footprint();
    let actor = world.actor("a", PLENTY);
    let thread = thread_with_large_ring(&mut world, actor);
    let middle = world.kernel.threads[thread].ring_address + u64::from(MAX_AREA_BYTES) / 2;
    assert!(touch(&mut world, actor, middle, FaultAccess::Write).is_some());
    world.kernel.end_thread(thread, 0);
    let behind = world.kernel.threads[thread].ring_address + u64::from(MAX_AREA_BYTES) - FRAME_BYTES;
    assert_eq!(touch(&mut world, actor, behind, FaultAccess::Write), None, "the ring of a thread that runs no more");
    world.settle();
    assert_eq!(world.footprint(), before, "the process has ended by that fault");
}
