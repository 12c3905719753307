//! Entries start in the order in which they stand in the ring, whatever holds one of them up: those behind it wait.
use super::calls::call;
use super::world::{Actor, PLENTY, World};
use crate::authority::capability::Object;
use crate::execution::thread::State;
use crate::shared::Alone;
use capos_abi::PAGE_BYTES;
use capos_abi::interface::{null, virtual_memory};
use capos_abi::ring::{COMPLETION_ENTRIES, SUBMISSION_ENTRIES, Submission, flag, op};

fn submit_numbered(world: &mut World, actor: Actor, entries: &[Submission]) {
    (1..).zip(entries).for_each(|(number, entry)| world.submit(actor, Submission { user_data: number, ..*entry }));
}

/// One stay of the processor that the actor runs on.
fn enter_once(world: &mut World, actor: Actor) {
    let State::Running(processor) = world.kernel.threads[actor.thread].state else { panic!("the actor runs") };
    let _ = world.kernel.enter(processor, 0, 0);
}

/// What has completed since this is asked, by number.
fn completed(world: &mut World, actor: Actor) -> Vec<u64> {
    world.completions(actor).iter().map(|done| done.user_data).collect()
}

/// A call of `Null`.
fn call_null(handle: u64) -> Submission {
    Submission { caps: 0, interface: null::ID, method: 0, message_bytes: 8, ..call(handle) }
}

#[test]
fn no_entry_overtakes_one_that_has_no_place_for_its_completion() {
    let mut world = World::new();
    let actor = world.actor("a", PLENTY);
    let null = world.give(actor, Object::Null, null::ID);
    for _ in 0..COMPLETION_ENTRIES / SUBMISSION_ENTRIES {
        (0..SUBMISSION_ENTRIES).for_each(|_| world.submit(actor, Submission::default()));
        enter_once(&mut world, actor);
    }
    let nop = Submission::default();
    let quiet = Submission { flags: flag::QUIET, ..nop };
    let wait = Submission { op: op::WAIT, arg: 1, tag: 7, ..nop };
    let release = Submission { op: op::RELEASE, handle: null, ..nop };
    submit_numbered(&mut world, actor, &[call_null(null), nop, quiet, release, wait, call_null(null), nop]);
    let mut order = Vec::new();
    for _ in 0..COMPLETION_ENTRIES {
        // The program has read one completion more.
        let mut ring = world.kernel.platform.ring(actor.area);
        let read = ring.completions[(ring.completion_head % COMPLETION_ENTRIES) as usize].user_data;
        ring.completion_head += 1;
        drop(ring);
        order.extend((read != 0).then_some(read));
        enter_once(&mut world, actor);
    }
    order.extend(completed(&mut world, actor));
    assert_eq!(order, [1, 2, 4, 6, 7], "a quiet one is over, a waiting one has only started");
}

#[test]
fn no_entry_overtakes_one_that_goes_on_in_the_next_stay() {
    const PAGES: u64 = 1000;
    let mut world = World::new();
    let actor = world.actor("a", PLENTY);
    let space = world.give(actor, Object::VirtualMemory(actor.process), virtual_memory::ID);
    let method = |world: &mut World, method: u16, data: &[u64]| {
        world.call_kernel(actor, space, virtual_memory::ID, method, data).1.get(1).copied()
    };
    let bytes = PAGES * PAGE_BYTES;
    let address = method(&mut world, virtual_memory::reserve::METHOD, &[bytes]).expect("room");
    let access = virtual_memory::access::READ_WRITE.into();
    method(&mut world, virtual_memory::commit::METHOD, &[address, bytes, access]);
    (0..PAGES).for_each(|page| world.touch(actor, address + page * PAGE_BYTES));
    world.write(actor, 0, &[2 << 32, address, bytes]);
    let decommit = Submission {
        interface: virtual_memory::ID,
        method: virtual_memory::decommit::METHOD,
        message_bytes: 24,
        ..call(space)
    };
    let nop = Submission::default();
    submit_numbered(&mut world, actor, &[nop, Submission { caps: 0, ..decommit }, nop, nop]);
    let mut by_stay = Vec::new();
    while by_stay.iter().map(Vec::len).sum::<usize>() < 4 {
        enter_once(&mut world, actor);
        by_stay.push(completed(&mut world, actor));
    }
    assert!(by_stay.len() > 3, "{by_stay:?}");
    assert_eq!(by_stay.first(), Some(&vec![1]), "the others wait");
    assert_eq!(by_stay.last(), Some(&vec![2, 3, 4]));
}

#[test]
fn beside_other_processors_no_entry_overtakes_one_that_has_to_be_alone() {
    let mut world = World::new();
    let actor = world.actor("a", PLENTY);
    let (null, other) = (world.give(actor, Object::Null, null::ID), world.give(actor, Object::Null, null::ID));
    let State::Running(processor) = world.kernel.threads[actor.thread].state else { panic!("the actor runs") };
    let release = Submission { op: op::RELEASE, handle: other, ..Submission::default() };
    // Alone, the kernel clears what is used of the ring area.
    world.run(actor, call_null(null));
    submit_numbered(&mut world, actor, &[call_null(null), release, call_null(null), Submission::default()]);
    assert_eq!(world.kernel.lend().enter(processor, 0, 0), Err(Alone::Again));
    assert_eq!(completed(&mut world, actor), [1]);
    enter_once(&mut world, actor);
    assert_eq!(completed(&mut world, actor), [2, 3, 4]);
}
