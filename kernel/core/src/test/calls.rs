//! Calls between processes, and to kernel objects.
use super::world::{Actor, PLENTY, World};
use crate::authority::capability::Object;
use capos_abi::interface::{clock, endpoint, endpoint_server, ledger, null};
use capos_abi::message::mode;
use capos_abi::ring::{COMPLETION_ENTRIES, Completion, Submission, completion_flag, kind, op};
use capos_abi::status;

pub const SERVED_INTERFACE: u64 = 0xfeed;
pub const POOL: u32 = 8192;
pub const SLOT_BYTES: u32 = 8192;

/// A server with an endpoint, a client with an object of it.
pub fn pair(world: &mut World) -> (Actor, u64, Actor, u64) {
    let (server, client) = (world.actor("server", PLENTY), world.actor("client", PLENTY));
    let paying = world.ledger(server);
    let (made, result) = world.call_kernel(server, paying, ledger::ID, ledger::create_endpoint::METHOD, &[]);
    assert_eq!((made.status, made.caps), (status::OK, 1));
    let own = result[0];
    let (minted, result) =
        world.call_kernel(server, own, endpoint_server::ID, endpoint_server::mint::METHOD, &[SERVED_INTERFACE, 7]);
    assert_eq!(minted.status, status::OK);
    let object = world.copy(server, result[0], client);
    (server, own, client, object)
}

pub fn receive(handle: u64) -> Submission {
    Submission {
        op: op::RECV,
        caps: 0x40,
        tag: 200,
        handle,
        user_data: 55,
        message_offset: POOL,
        result_bytes: SLOT_BYTES,
        arg: 4,
        ..Submission::default()
    }
}

pub fn call(handle: u64) -> Submission {
    Submission {
        op: op::CALL,
        caps: 0x20,
        tag: 1,
        handle,
        interface: SERVED_INTERFACE,
        method: 3,
        user_data: 99,
        message_bytes: 16,
        result_offset: 4096,
        result_bytes: 64,
        ..Submission::default()
    }
}

pub fn reply(token: u64) -> Submission {
    Submission { op: op::RETURN, arg: token, user_data: 77, message_bytes: 16, ..Submission::default() }
}

fn only(completions: Vec<Completion>) -> Completion {
    let [completion] = completions[..] else { panic!("one completion, not {completions:?}") };
    completion
}

#[test]
fn a_batch_of_nops_completes_in_order() {
    let mut world = World::new();
    let actor = world.actor("a", PLENTY);
    (0..64).for_each(|i| world.submit(actor, Submission { user_data: i, ..Submission::default() }));
    world.enter(actor, 64);
    let done: Vec<u64> = world.completions(actor).iter().map(|c| c.user_data).collect();
    assert_eq!(done, (0..64).collect::<Vec<u64>>());
}

#[test]
fn kernel_objects_answer_and_check_what_was_granted() {
    let mut world = World::new();
    let actor = world.actor("a", PLENTY);
    let (null, clock) = (world.give(actor, Object::Null, null::ID), world.give(actor, Object::Clock, clock::ID));
    assert_eq!(world.call_kernel(actor, null, null::ID, 0, &[]).0.status, status::OK);
    assert_eq!(world.call_kernel(actor, null, null::ID, 9, &[]).0.status, status::UNIMPLEMENTED);
    assert_eq!(world.call_kernel(actor, null, clock::ID, 0, &[]).0.status, status::WRONG_INTERFACE);
    assert_eq!(world.call_kernel(actor, null ^ 1 << 32, null::ID, 0, &[]).0.status, status::STALE);
    world.kernel.platform.now = 1234;
    let (done, words) = world.call_kernel(actor, clock, clock::ID, clock::now::METHOD, &[]);
    assert_eq!((done.status, words[1]), (status::OK, 1234));
}

#[test]
fn a_call_reaches_a_waiting_server_and_its_answer_the_caller() {
    let mut world = World::new();
    let (server, own, client, object) = pair(&mut world);
    world.submit(server, receive(own));
    world.enter(server, 1);
    world.write(client, 0, &[1 << 32, 41]);
    world.submit(client, call(object));
    world.enter(client, 1);

    let delivery = only(world.completions(server));
    assert_eq!((delivery.kind, delivery.user_data), (kind::DELIVERY, 55));
    let slot = world.read(server, POOL + u32::from(delivery.slot) * SLOT_BYTES, 10);
    assert_eq!(slot[..3], [SERVED_INTERFACE, 7, SERVED_INTERFACE]);
    assert_eq!(slot[3], 16 | 3 << 32);
    assert_eq!(slot[8..], [1 << 32, 41]);

    world.write(server, 0, &[1 << 32, 42]);
    assert_eq!(only(world.run(server, reply(delivery.value))).status, status::OK);
    let answer = only(world.completions(client));
    assert_eq!((answer.status, answer.user_data, answer.bytes), (status::OK, 99, 16));
    assert_eq!(world.read(client, 4096, 2), [1 << 32, 42]);
    assert_eq!(only(world.run(server, reply(delivery.value))).status, status::TOO_LATE, "a token answers once");
}

#[test]
fn a_queued_call_is_delivered_when_the_server_enters() {
    let mut world = World::new();
    let (server, own, client, object) = pair(&mut world);
    assert!(world.run(client, call(object)).is_empty());
    let delivery = only(world.run(server, receive(own)));
    assert_eq!(delivery.kind, kind::DELIVERY);
}

#[test]
fn capabilities_travel_both_ways_and_the_receiver_pays() {
    let mut world = World::new();
    let (server, own, client, object) = pair(&mut world);
    let clock = world.give(client, Object::Clock, clock::ID);
    world.run(server, receive(own));
    world.write(client, 0, &[clock, 0, 1 << 48, 3]);
    world.run(client, Submission { caps: 0x21, message_bytes: 32, ..call(object) });
    world.enter(server, 0);
    let delivery = only(world.completions(server));
    assert_eq!(delivery.caps, 1);
    let received = world.read(server, POOL + u32::from(delivery.slot) * SLOT_BYTES + 64, 1)[0];
    assert_eq!(world.call_kernel(server, received, clock::ID, 0, &[]).0.status, status::OK);

    world.write(server, 0, &[received, 0, 0, 0, 1 << 48, 3]);
    let back = Submission { caps: 2, message_bytes: 48, ..reply(delivery.value) };
    assert_eq!(only(world.run(server, back)).status, status::OK);
    let answer = only(world.completions(client));
    assert_eq!((answer.status, answer.caps, answer.bytes), (status::OK, 2, 32));
    let result = world.read(client, 4096, 2);
    assert_eq!(world.call_kernel(client, result[0], clock::ID, 0, &[]).0.status, status::OK);
    assert_eq!(result[1], 0, "a null capability arrives as null");
}

#[test]
fn a_result_that_does_not_fit_leaves_the_call_open() {
    let mut world = World::new();
    let (server, own, client, object) = pair(&mut world);
    world.run(server, receive(own));
    world.run(client, call(object));
    world.enter(server, 0);
    let delivery = only(world.completions(server));
    let long = Submission { message_bytes: 128, ..reply(delivery.value) };
    assert_eq!(only(world.run(server, long)).status, status::TOO_BIG);
    assert_eq!(only(world.run(server, reply(delivery.value))).status, status::OK);
}

#[test]
fn cancelling_a_delivered_call_completes_it_and_tells_the_server() {
    let mut world = World::new();
    let (server, own, client, object) = pair(&mut world);
    world.run(server, receive(own));
    world.run(client, call(object));
    world.enter(server, 0);
    let delivery = only(world.completions(server));
    let cancel = Submission { op: op::CANCEL, arg: 1, tag: 9, user_data: 5, ..Submission::default() };
    let done = world.run(client, cancel);
    assert_eq!(
        done.iter().map(|c| (c.user_data, c.status)).collect::<Vec<_>>(),
        [(99, status::CANCELLED), (5, status::OK)]
    );
    let notice = only(world.completions(server));
    assert_eq!((notice.kind, notice.value), (kind::CANCEL_NOTICE, delivery.value));
    assert_eq!(only(world.run(server, reply(delivery.value))).status, status::CALLER_GONE);
}

#[test]
fn a_deadline_ends_a_queued_call() {
    let mut world = World::new();
    let (_, _, client, object) = pair(&mut world);
    world.kernel.platform.now = 1000;
    world.submit(client, Submission { deadline: 5000, ..call(object) });
    world.enter(client, 1);
    world.kernel.platform.now = 5000;
    let _ = world.kernel.timer(0);
    let done = only(world.completions(client));
    assert_eq!((done.user_data, done.status), (99, status::DEADLINE));
}

#[test]
fn the_minter_learns_that_nobody_refers_to_its_object() {
    let mut world = World::new();
    let (server, own, client, object) = pair(&mut world);
    world.run(server, receive(own));
    let twin = world.copy(client, object, client);
    world.run(client, Submission { op: op::RELEASE, handle: object, ..Submission::default() });
    world.enter(server, 0);
    assert!(world.completions(server).is_empty(), "a copy of a copy still refers to it");
    world.run(client, Submission { op: op::RELEASE, handle: twin, ..Submission::default() });
    world.enter(server, 0);
    assert_eq!(only(world.completions(server)).kind, kind::UNREFERENCED);
}

#[test]
fn only_the_owner_mints_durable_objects() {
    let mut world = World::new();
    let (server, own, client, _) = pair(&mut world);
    let (made, result) = world.call_kernel(server, own, endpoint::ID, endpoint::server::METHOD, &[]);
    assert_eq!(made.status, status::OK);
    let lent = world.copy(server, result[0], client);
    let (refused, _) = world.call_kernel(client, lent, endpoint::ID, endpoint::mint_durable::METHOD, &[1, 1]);
    assert_eq!(refused.status, status::WRONG_INTERFACE);
    assert_eq!(
        world.call_kernel(client, lent, endpoint_server::ID, endpoint_server::mint::METHOD, &[1, 1]).0.status,
        status::OK
    );
}

#[test]
fn a_wait_takes_the_bits_that_were_signalled() {
    let mut world = World::new();
    let actor = world.actor("a", PLENTY);
    let paying = world.ledger(actor);
    let (_, result) = world.call_kernel(actor, paying, ledger::ID, ledger::create_notification::METHOD, &[]);
    let wait = Submission { op: op::WAIT, handle: result[0], arg: 6, tag: 3, user_data: 1, ..Submission::default() };
    assert!(world.run(actor, wait).is_empty());
    let signal = Submission { op: op::SIGNAL, handle: result[0], arg: 5, user_data: 2, ..Submission::default() };
    let done = world.run(actor, signal);
    assert_eq!(done.iter().map(|c| (c.user_data, c.value)).collect::<Vec<_>>(), [(1, 4), (2, 0)]);
    assert_eq!(only(world.run(actor, Submission { arg: 1, ..wait })).value, 1, "bits stay until taken");
}

#[test]
fn the_date_is_refused_where_it_is_unknown() {
    let mut world = World::new();
    let client = world.actor("client", PLENTY);
    let clock = world.give(client, Object::Clock, clock::ID);
    let (refused, _) = world.call_kernel(client, clock, clock::ID, clock::date::METHOD, &[]);
    assert_eq!(refused.status, status::UNAVAILABLE);
    world.kernel.platform.date = Some(2_000_000_000);
    world.kernel.platform.now = 17;
    let (known, result) = world.call_kernel(client, clock, clock::ID, clock::date::METHOD, &[]);
    assert_eq!((known.status, result[1]), (status::OK, 2_000_000_000_000_000_017));
}

/// A message of one moved capability and a struct that points to it.
fn moving(world: &mut World, actor: Actor, handle: u64, entry: Submission) -> Submission {
    world.write(actor, 0, &[handle, mode::MOVE, 1 << 48, 3]);
    Submission { caps: entry.caps | 1, message_bytes: 32, ..entry }
}

/// An endpoint of the actor's own, and the origin of an object minted there with this key.
fn own_object(world: &mut World, actor: Actor, key: u64) -> (u64, u64) {
    let paying = world.ledger(actor);
    let endpoint = world.call_kernel(actor, paying, ledger::ID, ledger::create_endpoint::METHOD, &[]).1[0];
    let mint = (endpoint_server::ID, endpoint_server::mint::METHOD);
    (endpoint, world.call_kernel(actor, endpoint, mint.0, mint.1, &[SERVED_INTERFACE, key]).1[0])
}

/// What an endpoint says of a capability: whether the actor minted it there, as which interface and with which key.
fn identify(world: &mut World, actor: Actor, endpoint: u64, object: u64) -> [u64; 3] {
    world.write(actor, 0, &[object, 0, 1 << 48, 3]);
    let ask = Submission {
        caps: 1,
        interface: endpoint_server::ID,
        method: endpoint_server::identify::METHOD,
        message_bytes: 32,
        ..call(endpoint)
    };
    assert_eq!(only(world.run(actor, ask)).status, status::OK);
    let answer = world.read(actor, 4096, 4);
    [answer[1] & 0xffff, answer[2], answer[3]]
}

#[test]
fn a_process_is_told_of_its_own_objects_that_come_home() {
    let mut world = World::new();
    let (server, own, client, object) = pair(&mut world);
    let (endpoint, origin) = own_object(&mut world, client, 9);
    world.run(server, receive(own));
    world.write(client, 0, &[object, 0, origin, 0, 1 << 48, 3]);
    world.run(client, Submission { caps: 0x22, message_bytes: 48, ..call(object) });
    world.enter(server, 0);
    let delivery = only(world.completions(server));
    assert_eq!((delivery.caps, delivery.flags), (2, completion_flag::OWN_OBJECT));
    let received = world.read(server, POOL + u32::from(delivery.slot) * SLOT_BYTES + 64, 2);
    assert_eq!(identify(&mut world, server, own, received[0]), [1, SERVED_INTERFACE, 7]);
    assert_eq!(identify(&mut world, server, own, received[1]), [0; 3], "somebody else's");

    world.write(server, 0, &[received[1], 0, 1 << 48, 3]);
    world.run(server, Submission { caps: 1, message_bytes: 32, ..reply(delivery.value) });
    let answer = only(world.completions(client));
    assert_eq!((answer.caps, answer.flags), (1, completion_flag::OWN_OBJECT));
    let home = world.read(client, 4096, 1)[0];
    assert_eq!(identify(&mut world, client, endpoint, home), [1, SERVED_INTERFACE, 9]);
    let (elsewhere, _) = own_object(&mut world, client, 9);
    assert_eq!(identify(&mut world, client, elsewhere, home), [0; 3], "of another endpoint");
}

#[test]
fn a_call_may_move_the_capability_that_it_goes_through() {
    let mut world = World::new();
    let (server, own, client, object) = pair(&mut world);
    let call = moving(&mut world, client, object, call(object));
    assert_eq!(world.run(client, call), [], "it is under way");
    let delivery = only(world.run(server, receive(own)));
    assert_eq!((delivery.kind, delivery.caps), (kind::DELIVERY, 1));
    assert_eq!(only(world.run(server, reply(delivery.value))).status, status::OK);
    assert_eq!(only(world.completions(client)).status, status::OK);
    assert_eq!(world.call_kernel(client, object, SERVED_INTERFACE, 3, &[]).0.status, status::STALE, "it has moved");
}

#[test]
fn a_reply_may_move_the_endpoint_that_it_was_received_from() {
    let mut world = World::new();
    let (server, own, client, object) = pair(&mut world);
    world.run(client, call(object));
    let delivery = only(world.run(server, receive(own)));
    let reply = moving(&mut world, server, own, reply(delivery.value));
    let ends: Vec<_> = world.run(server, reply).iter().map(|end| (end.user_data, end.status)).collect();
    assert_eq!(ends, [(77, status::OK), (55, status::STALE)], "the reception has lost its endpoint");
    assert_eq!(only(world.completions(client)).status, status::OK);
    for actor in [server, client] {
        world.enter(actor, 0);
        let ring = &world.kernel.threads[actor.thread].ring;
        assert_eq!(
            ring.positions.free_completions(),
            COMPLETION_ENTRIES,
            "every place that was set aside is free again"
        );
    }
}
