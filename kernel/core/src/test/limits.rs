//! Limits: as much as is allowed, and not one more.
use super::calls::{SERVED_INTERFACE, call, pair, receive};
use super::world::{Actor, PLENTY, World};
use crate::ipc::endpoint::MAX_RECEIVERS;
use crate::ipc::notice::MAX_MINTERS;
use crate::ipc::notification::MAX_WAITERS;
use crate::ipc::record::MAX_POOL_SLOTS;
use crate::ledger::Amounts;
use capos_abi::interface::{endpoint_server, ledger};
use capos_abi::ring::{PENDING_RECORDS, Submission, op};
use capos_abi::status::{self, Status};

/// Bytes of a message that the endpoints of [`pair`] take.
const MESSAGE_BYTES: u32 = 4096;
/// Bytes of a delivery's header.
const HEADER_BYTES: u32 = 64;
/// Operations of one ring that are under way at most in these tests.
const PENDING: usize = 100;

/// How an entry has ended; `None`: it is under way.
fn end(world: &mut World, actor: Actor, entry: Submission) -> Option<Status> {
    world.run(actor, Submission { user_data: 1, ..entry }).first().map(|end| end.status)
}

/// As many actors as it takes that so many operations are under way, [`PENDING`] each, and one more.
fn actors_for(world: &mut World, operations: usize) -> Vec<Actor> {
    (0..=operations / PENDING).map(|_| world.actor("one of many", PLENTY)).collect()
}

#[test]
fn tags_end_where_they_end() {
    let mut world = World::new();
    let actor = world.actor("a", PLENTY);
    let last = PENDING_RECORDS as u16 - 1;
    let wait = |tag| Submission { op: op::WAIT, arg: 1, tag, ..Submission::default() };
    let cancel = |tag: u16| Submission { op: op::CANCEL, arg: tag.into(), ..Submission::default() };
    assert_eq!(end(&mut world, actor, cancel(last)), Some(status::TOO_LATE), "nothing is under way");
    assert_eq!(end(&mut world, actor, cancel(last + 1)), Some(status::BAD_TAG));
    assert_eq!(end(&mut world, actor, wait(last)), None);
    assert_eq!(end(&mut world, actor, wait(last + 1)), Some(status::BAD_TAG));
    assert_eq!(end(&mut world, actor, wait(last)), Some(status::BAD_TAG), "it is in use");
    assert_eq!(end(&mut world, actor, cancel(last + 1)), Some(status::BAD_TAG), "in a ring that has all records, too");
}

#[test]
fn a_message_is_as_long_as_its_endpoint_takes() {
    let mut world = World::new();
    let (_, _, client, object) = pair(&mut world);
    let longer = Submission { message_bytes: MESSAGE_BYTES + 8, ..call(object) };
    let [refused] = world.run(client, longer)[..] else { panic!("one end") };
    assert_eq!((refused.status, refused.value), (status::TOO_BIG, MESSAGE_BYTES.into()));
    assert_eq!(end(&mut world, client, Submission { message_bytes: MESSAGE_BYTES, ..call(object) }), None);
}

#[test]
fn a_pool_has_so_many_slots_each_as_large_as_a_message() {
    let mut world = World::new();
    let (server, own, ..) = pair(&mut world);
    let accepted = 4;
    let needed = HEADER_BYTES + accepted * 8 + MESSAGE_BYTES;
    let pool = |arg, result_bytes| Submission { arg, result_bytes, message_offset: 0, ..receive(own) };
    assert_eq!(end(&mut world, server, pool(1, needed - 8)), Some(status::TOO_BIG));
    assert_eq!(end(&mut world, server, pool(0, needed)), Some(status::BAD_ARGUMENT));
    assert_eq!(end(&mut world, server, pool(MAX_POOL_SLOTS + 1, needed)), Some(status::BAD_ARGUMENT));
    assert_eq!(
        end(&mut world, server, pool(MAX_POOL_SLOTS, needed)),
        Some(status::BAD_RANGE),
        "the arena is too small"
    );
    assert_eq!(end(&mut world, server, pool(1, needed)), None);
}

#[test]
fn so_many_wait_for_one_notification() {
    let mut world = World::new();
    let owner = world.actor("owner", PLENTY);
    let paying = world.ledger(owner);
    let (_, made) = world.call_kernel(owner, paying, ledger::ID, ledger::create_notification::METHOD, &[]);
    let waiters = actors_for(&mut world, MAX_WAITERS);
    let handles: Vec<u64> = waiters.iter().map(|&waiter| world.copy(owner, made[0], waiter)).collect();
    for number in 0..=MAX_WAITERS {
        let (at, tag) = (number / PENDING, (number % PENDING) as u16);
        let wait = Submission { op: op::WAIT, handle: handles[at], arg: 1, tag, ..Submission::default() };
        let refused = (number == MAX_WAITERS).then_some(status::BAD_STATE);
        assert_eq!(end(&mut world, waiters[at], wait), refused, "{number}");
    }
}

#[test]
fn so_many_receive_from_one_endpoint() {
    let mut world = World::new();
    let (owner, own, ..) = pair(&mut world);
    let servers = actors_for(&mut world, MAX_RECEIVERS);
    let handles: Vec<u64> = servers.iter().map(|&server| world.copy(owner, own, server)).collect();
    for number in 0..=MAX_RECEIVERS {
        let (at, tag) = (number / PENDING, (number % PENDING) as u16);
        let refused = (number == MAX_RECEIVERS).then_some(status::BAD_STATE);
        assert_eq!(
            end(&mut world, servers[at], Submission { tag, arg: 1, ..receive(handles[at]) }),
            refused,
            "{number}"
        );
    }
}

#[test]
fn so_many_processes_mint_at_one_endpoint_until_one_has_given_its_origins_up() {
    let mut world = World::new();
    let (owner, own, ..) = pair(&mut world);
    let mint = |world: &mut World| {
        let minter = world.actor("minter", Amounts::new([30, 9, 9, 1]));
        let lent = world.copy(owner, own, minter);
        let (interface, method) = (endpoint_server::ID, endpoint_server::mint::METHOD);
        let (done, words) = world.call_kernel(minter, lent, interface, method, &[SERVED_INTERFACE, 1]);
        (done.status, minter, words.first().copied())
    };
    // The owner has minted the object that its client holds.
    let others: Vec<_> = (1..MAX_MINTERS).map(|_| mint(&mut world)).collect();
    assert!(others.iter().all(|(made, ..)| *made == status::OK));
    assert_eq!(mint(&mut world).0, status::BAD_STATE);
    let &(_, minter, origin) = others.last().expect("many");
    let release = Submission { op: op::RELEASE, handle: origin.expect("minted"), ..Submission::default() };
    assert_eq!(end(&mut world, minter, release), Some(status::OK));
    assert_eq!(mint(&mut world).0, status::OK);
}
