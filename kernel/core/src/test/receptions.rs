//! Receptions beside each other: no call that waits for one of them is forgotten, and receivers take turns.
use super::calls::{SERVED_INTERFACE, call, pair, receive, reply};
use super::places::reserved;
use super::world::{Actor, PLENTY, World};
use crate::execution::process::Outcome;
use crate::execution::thread::State;
use crate::ipc::record::Waiter;
use capos_abi::interface::{endpoint_server, ledger};
use capos_abi::ring::{Completion, Submission, kind, op};
use capos_abi::status;

/// Bytes of the messages of an endpoint, and of a slot for one of them.
const MESSAGE_BYTES: u64 = 64;
const SLOT_BYTES: u32 = 256;

/// One more endpoint of a server, and an object of it for the client.
fn endpoint(world: &mut World, server: Actor, client: Actor) -> (u64, u64) {
    use ledger::create_endpoint::{METHOD, params};
    let paying = world.ledger(server);
    let limit = MESSAGE_BYTES ^ params::MAX_MESSAGE_BYTES.default;
    let own = world.call_kernel(server, paying, ledger::ID, METHOD, &[limit]).1[0];
    let (interface, method) = (endpoint_server::ID, endpoint_server::mint::METHOD);
    let origin = world.call_kernel(server, own, interface, method, &[SERVED_INTERFACE, 7]).1[0];
    (own, world.copy(server, origin, client))
}

/// A reception with a pool of so many slots.
fn reception(own: u64, tag: u16, slots: u64) -> Submission {
    Submission { tag, arg: slots, result_bytes: SLOT_BYTES, user_data: tag.into(), ..receive(own) }
}

fn call_with(world: &mut World, client: Actor, object: u64, tags: std::ops::Range<u16>) {
    for tag in tags {
        assert_eq!(world.run(client, Submission { caps: 0, tag, ..call(object) }), []);
    }
}

fn deliveries(completions: &[Completion]) -> impl Iterator<Item = &Completion> {
    completions.iter().filter(|it| it.kind == kind::DELIVERY)
}

#[test]
fn a_full_reception_is_remembered_beside_an_idle_one() {
    let mut world = World::new();
    let (server, _, client, _) = pair(&mut world);
    let [(busy, object), (idle, _)] = [0, 1].map(|_| endpoint(&mut world, server, client));
    world.run(server, reception(busy, 10, 1));
    world.run(server, reception(idle, 11, 1));
    call_with(&mut world, client, object, 1..3);
    world.enter(server, 0);
    let [first] = world.completions(server)[..] else { panic!("the pool has one slot") };
    let arrived = world.run(server, reply(first.value));
    assert_eq!(deliveries(&arrived).count(), 1, "the other call comes as soon as there is room");
}

#[test]
fn calls_for_several_receptions_come_in_as_many_stays_as_they_take() {
    const CALLS: u16 = 20;
    let mut world = World::new();
    let (server, _, client, _) = pair(&mut world);
    let [(one, object), (other, other_object)] = [0, 1].map(|_| endpoint(&mut world, server, client));
    call_with(&mut world, client, object, 1..CALLS + 1);
    call_with(&mut world, client, other_object, CALLS + 1..CALLS + 2);
    world.submit(server, reception(one, 10, CALLS.into()));
    world.submit(server, reception(other, 11, 1));
    let State::Running(processor) = world.kernel.threads[server.thread].state else { panic!("the server runs") };
    let wanted = u32::from(CALLS) + 1;
    let mut stays = 0;
    while world.kernel.threads[server.thread].ring.positions.unread() < wanted {
        let _ = world.kernel.enter(processor, wanted, 0);
        assert!(matches!(world.kernel.threads[server.thread].state, State::Running(_)), "calls wait for it");
        stays += 1;
    }
    assert!(stays > 1);
    assert_eq!(deliveries(&world.completions(server)).filter(|it| it.tag == 11).count(), 1);
}

#[test]
fn a_reception_that_ends_takes_no_more_calls_and_leaves_no_place() {
    const CALLS: u16 = 40;
    let mut world = World::new();
    let (server, _, client, _) = pair(&mut world);
    let (own, object) = endpoint(&mut world, server, client);
    // One slot stays free.
    world.run(server, reception(own, 10, u64::from(CALLS) + 1));
    call_with(&mut world, client, object, 1..CALLS + 1);
    let mut delivered = Vec::new();
    while delivered.len() < CALLS.into() {
        world.enter(server, 1);
        delivered.extend(world.completions(server).iter().map(|it| it.value));
    }
    let at = Waiter { thread: server.thread, tag: 10 };
    world.kernel.begin_stay(0);
    assert!(!world.kernel.abort(at, status::STALE), "that takes more than a stay");
    // The last call has not ended yet: its answer frees a slot.
    let answered = world.run(server, reply(*delivered.last().expect("many")));
    assert_eq!(answered[0].status, status::OK);
    world.completions(client);
    world.kernel.threads[server.thread].has_work = true;
    call_with(&mut world, client, object, 100..101);
    world.enter(server, 0);
    assert_eq!(world.completions(server), [], "it is not delivered");
    world.kernel.begin_stay(0);
    while !world.kernel.abort(at, status::STALE) {
        world.kernel.begin_stay(0);
    }
    let [end] = world.completions(server)[..] else { panic!("one end") };
    assert_eq!((end.tag, end.status), (10, status::STALE));
    assert_eq!(reserved(&world, server), 0);
    assert!(world.completions(client).iter().all(|end| end.tag != 100), "it waits for the next reception");
    world.run(server, reception(own, 12, 1));
    world.enter(server, 0);
}

#[test]
fn receivers_take_turns() {
    let mut world = World::new();
    let (owner, _, client, _) = pair(&mut world);
    let (own, object) = endpoint(&mut world, owner, client);
    let servers = ["one", "two", "three"].map(|name| world.actor(name, PLENTY));
    for server in servers {
        let lent = world.copy(owner, own, server);
        world.submit(server, reception(lent, 10, 4));
        world.enter(server, 9);
    }
    call_with(&mut world, client, object, 1..7);
    let taken = servers.map(|server| world.completions(server).len());
    assert_eq!(taken, [2, 2, 2]);
}

#[test]
fn a_call_of_an_object_whose_minter_has_ended_is_stale_though_the_endpoint_lives() {
    let mut world = World::new();
    let (server, own, client, object) = pair(&mut world);
    let owner = world.actor("owner", PLENTY);
    world.copy(server, own, owner);
    assert_eq!(world.run(client, Submission { tag: 7, ..call(object) }), [], "it waits for its server");
    world.kernel.end_process(server.process, Outcome::Killed);
    world.settle();
    let [end] = world.completions(client)[..] else { panic!("one end") };
    assert_eq!((end.tag, end.status), (7, status::STALE), "nobody will serve it");
    let [end] = world.run(client, call(object))[..] else { panic!("one end") };
    assert_eq!(end.status, status::STALE);
    let signal = Submission { op: op::SIGNAL, handle: object, ..Submission::default() };
    assert_eq!(world.run(client, signal)[0].status, status::WRONG_INTERFACE, "the capability itself is there");
}
