//! Messages that travel as sealed memory, and what is refused of them.
use super::calls::{SLOT_BYTES, call, pair, receive, reply};
use super::world::{Actor, PLENTY, World};
use crate::authority::capability::Object;
use capos_abi::interface::{memory_object, memory_reader, null, virtual_memory};
use capos_abi::message::{delivery_flag, mode};
use capos_abi::ring::{Completion, Submission, completion_flag, flag};
use capos_abi::status::{self, transfer};

/// The default of `Ledger.createEndpoint`.
const LIMIT: u64 = 4 << 20;

pub fn memory(world: &mut World, actor: Actor, bytes: u64) -> u64 {
    use capos_abi::interface::ledger::{ID, create_memory_object};
    let paying = world.ledger(actor);
    let (made, result) = world.call_kernel(actor, paying, ID, create_memory_object::METHOD, &[bytes]);
    assert_eq!(made.status, status::OK);
    result[0]
}

pub fn seal(world: &mut World, actor: Actor, handle: u64) -> i32 {
    world.call_kernel(actor, handle, memory_object::ID, memory_object::seal::METHOD, &[]).0.status
}

fn only(completions: Vec<Completion>) -> Completion {
    let [completion] = completions[..] else { panic!("one completion, not {completions:?}") };
    completion
}

/// A call whose segment lies in `memory`.
fn large(world: &mut World, client: Actor, object: u64, memory: u64) -> Submission {
    world.write(client, 0, &[memory, 0, 4000]);
    Submission { caps: 0x21, flags: flag::SPILLED, message_bytes: 24, ..call(object) }
}

#[test]
fn sealed_memory_is_written_by_nobody() {
    let mut world = World::new();
    let actor = world.actor("a", PLENTY);
    let handle = memory(&mut world, actor, 4096);
    let (read, write) = (virtual_memory::access::READ, virtual_memory::access::READ_WRITE);
    let mapped = world.map(actor, handle, 4096, read).expect("readable");
    assert_eq!(seal(&mut world, actor, handle), status::BAD_STATE, "the mapper may still turn it writable");
    let space = world.give(actor, Object::VirtualMemory(actor.process), virtual_memory::ID);
    let (unmapped, _) =
        world.call_kernel(actor, space, virtual_memory::ID, virtual_memory::unmap::METHOD, &[mapped, 4096]);
    assert_eq!(unmapped.status, status::OK);
    assert_eq!(seal(&mut world, actor, handle), status::OK);
    assert_eq!(world.map(actor, handle, 4096, write), Err(status::BAD_STATE));
    let mapped = world.map(actor, handle, 4096, read).expect("still readable");
    let access = u64::from(write);
    let protect = virtual_memory::protect::METHOD;
    let (raised, _) = world.call_kernel(actor, space, virtual_memory::ID, protect, &[mapped, 4096, access]);
    assert_eq!(raised.status, status::BAD_STATE, "no mapping of it becomes writable");
    assert_eq!(seal(&mut world, actor, handle), status::OK, "sealing twice is no error");
}

#[test]
fn a_large_message_arrives_as_sealed_memory() {
    let mut world = World::new();
    let (server, own, client, object) = pair(&mut world);
    world.run(server, receive(own));
    let memory = memory(&mut world, client, 8192);
    assert_eq!(seal(&mut world, client, memory), status::OK);
    let entry = large(&mut world, client, object, memory);
    world.run(client, entry);
    world.enter(server, 0);
    let delivery = only(world.completions(server));
    let slot = world.read(server, super::calls::POOL + u32::from(delivery.slot) * SLOT_BYTES, 10);
    assert_eq!(slot[3] >> 56, u64::from(delivery_flag::SPILLED));
    assert_eq!(slot[9], 4000, "the segment's bytes");
    let size = memory_reader::size::METHOD;
    let (asked, words) = world.call_kernel(server, slot[8], memory_reader::ID, size, &[]);
    assert_eq!((asked.status, words[1]), (status::OK, 8192));

    world.write(server, 0, &[slot[8], 0, 4000]);
    let back = Submission { caps: 1, flags: flag::SPILLED, message_bytes: 24, ..reply(delivery.value) };
    assert_eq!(only(world.run(server, back)).status, status::OK);
    let answer = only(world.completions(client));
    assert_eq!((answer.status, answer.caps, answer.flags), (status::OK, 1, completion_flag::SPILLED));
}

#[test]
fn memory_that_is_open_too_large_or_no_memory_is_no_message() {
    let mut world = World::new();
    let (server, own, client, object) = pair(&mut world);
    world.run(server, receive(own));
    let open = memory(&mut world, client, 4096);
    let entry = large(&mut world, client, object, open);
    assert_eq!(only(world.run(client, entry)).status, status::BAD_STATE, "the sender could still write it");
    let null = world.give(client, Object::Null, null::ID);
    let entry = large(&mut world, client, object, null);
    assert_eq!(only(world.run(client, entry)).status, status::BAD_MESSAGE);
    let huge = memory(&mut world, client, LIMIT + 1);
    assert_eq!(seal(&mut world, client, huge), status::OK);
    let entry = large(&mut world, client, object, huge);
    let refused = only(world.run(client, entry));
    assert_eq!((refused.status, refused.value), (status::TOO_BIG, LIMIT));
    let entry = large(&mut world, client, null, huge);
    assert_eq!(only(world.run(client, entry)).status, status::BAD_MESSAGE, "kernel objects take no large messages");
    let inline = Submission { message_bytes: 8192, result_offset: 16384, ..call(object) };
    let refused = only(world.run(client, inline));
    assert_eq!((refused.status, refused.value), (status::TOO_BIG, 4096));
    world.enter(server, 0);
    assert_eq!(world.completions(server), [], "nothing of it was delivered");
}

#[test]
fn fifteen_capabilities_travel_at_once_or_none_of_them() {
    let mut world = World::new();
    let (server, own, client, object) = pair(&mut world);
    world.run(server, Submission { caps: 0xf0, ..receive(own) });
    let null = world.give(client, Object::Null, null::ID);
    let mut words: Vec<u64> = (0..15).flat_map(|_| [null, 0]).collect();
    words.push(0);
    let all = Submission { caps: 0x2f, message_bytes: 31 * 8, ..call(object) };
    world.write(client, 0, &words);
    world.run(client, all);
    world.enter(server, 0);
    let delivery = only(world.completions(server));
    assert_eq!(delivery.caps, 15);
    let before = world.kernel.processes[server.process].handles.used();

    let stale = (null ^ 1 << 32, mode::COPY, transfer::STALE);
    let (moved, unknown) = ((null, mode::MOVE, transfer::MOVED_TWICE), (null, 4, transfer::UNKNOWN_MODE));
    // What was moved before is not even copied.
    let other = world.give(client, Object::Null, null::ID);
    words[..2].copy_from_slice(&[other, mode::MOVE]);
    for (handle, mode, why) in [stale, moved, unknown, (other, mode::COPY, transfer::MOVED_TWICE)] {
        words[28..30].copy_from_slice(&[handle, mode]);
        world.write(client, 0, &words);
        let refused = only(world.run(client, Submission { tag: 2, ..all }));
        assert_eq!(refused.status, status::BAD_CAPABILITY);
        assert_eq!(refused.value, 14 | u64::from(why) << transfer::WHY_SHIFT, "which, and why");
        world.enter(server, 0);
        assert_eq!(world.completions(server), []);
        assert_eq!(world.kernel.processes[server.process].handles.used(), before, "none of them arrived");
    }

    world.run(server, Submission { op: capos_abi::ring::op::CANCEL, arg: 200, ..Submission::default() });
    world.run(server, Submission { tag: 201, ..receive(own) });
    words[..2].copy_from_slice(&[null, mode::COPY]);
    words[28..30].copy_from_slice(&[null, mode::COPY]);
    world.write(client, 0, &words);
    world.run(client, Submission { tag: 3, ..all });
    world.enter(server, 0);
    let refused = *world.completions(client).last().expect("refused");
    assert_eq!((refused.status, refused.value), (status::NOT_ACCEPTED, 4), "and how many would have been accepted");
}
