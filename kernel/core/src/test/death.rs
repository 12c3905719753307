//! A dead peer is a normal event, and nothing of it stays behind.
use super::audit;
use super::calls::{call, pair, receive};
use super::world::{Actor, PLENTY, World};
use crate::authority::capability::Object;
use crate::execution::process::Outcome;
use crate::ledger::Amounts;
use capos_abi::interface::{endpoint_server, process, thread};
use capos_abi::ring::{Submission, kind, op};
use capos_abi::status;
use std::collections::BTreeSet;

fn kill(world: &mut World, actor: Actor) {
    world.kernel.end_process(actor.process, Outcome::Killed);
    world.settle();
}

/// A call of `join`.
fn join(handle: u64) -> Submission {
    Submission {
        op: op::CALL,
        handle,
        interface: thread::ID,
        method: thread::join::METHOD,
        message_bytes: 8,
        result_offset: 1024,
        result_bytes: 64,
        ..Submission::default()
    }
}

#[test]
fn a_server_that_dies_completes_what_was_delivered_and_ends_its_objects() {
    let mut world = World::new();
    let (server, own, client, object) = pair(&mut world);
    world.run(server, receive(own));
    world.run(client, call(object));
    world.enter(server, 0);
    world.run(client, Submission { tag: 2, user_data: 100, ..call(object) });
    kill(&mut world, server);
    let ended: Vec<_> = world.completions(client).iter().map(|c| (c.user_data, c.status)).collect();
    assert!(ended.contains(&(99, status::SERVER_DIED)), "{ended:?}");
    assert!(ended.contains(&(100, status::STALE)), "{ended:?}");
    let later = world.run(client, call(object));
    assert_eq!(later[0].status, status::STALE);
}

#[test]
fn who_waits_for_a_thread_learns_of_its_end_and_costs_nobody_anything_then() {
    let mut world = World::new();
    let (child, parent) = (world.actor("child", PLENTY), world.actor("parent", PLENTY));
    let held = world.give(parent, Object::Thread(child.thread), thread::ID);
    let join = join(held);
    for tag in [1, 2] {
        assert!(world.run(parent, Submission { tag, ..join }).is_empty(), "it has not ended");
    }
    kill(&mut world, child);
    let ends = world.completions(parent).into_iter().map(|end| (end.status, end.tag));
    assert_eq!(ends.collect::<BTreeSet<_>>(), BTreeSet::from([(status::OK, 1), (status::OK, 2)]));
    assert_eq!(world.run(parent, join)[0].status, status::OK, "who asks later learns of it, too");
    let payer = world.kernel.threads[child.thread].ledger;
    world.kernel.ledgers[payer].references += 1;
    world.run(parent, Submission { op: op::RELEASE, handle: held, ..Submission::default() });
    assert!(world.kernel.threads.get(child.thread).is_none());
    assert_eq!(*world.kernel.ledgers[payer].used(), Amounts::default());
}

#[test]
fn a_caller_that_dies_leaves_the_server_a_notice() {
    let mut world = World::new();
    let (server, own, client, object) = pair(&mut world);
    world.run(server, receive(own));
    world.run(client, call(object));
    world.enter(server, 0);
    world.completions(server);
    kill(&mut world, client);
    world.enter(server, 0);
    let kinds: Vec<u8> = world.completions(server).iter().map(|c| c.kind).collect();
    assert_eq!(kinds, [kind::CANCEL_NOTICE, kind::UNREFERENCED]);
}

#[test]
fn calls_to_a_durable_object_wait_for_the_next_server() {
    let mut world = World::new();
    let (server, own, client, _) = pair(&mut world);
    let owner = world.actor("owner", PLENTY);
    let held = world.copy(server, own, owner);
    let (made, result) = world.call_kernel(owner, held, capos_abi::interface::endpoint::ID, 0, &[5, 5]);
    assert_eq!(made.status, status::OK);
    let object = world.copy(owner, result[0], client);
    kill(&mut world, server);
    assert!(world.run(client, call(object)).is_empty(), "the call waits");
    let next = world.actor("server again", PLENTY);
    let lent = world.copy(owner, held, next);
    assert_eq!(world.run(next, receive(lent))[0].kind, kind::DELIVERY);
}

#[test]
fn waiting_for_a_process_tells_how_it_ended() {
    let mut world = World::new();
    let (child, parent) = (world.actor("child", PLENTY), world.actor("parent", PLENTY));
    let handle = world.give(parent, Object::Process(child.process), process::ID);
    let wait = Submission {
        op: op::CALL,
        tag: 4,
        handle,
        interface: process::ID,
        method: process::wait::METHOD,
        result_offset: 1024,
        result_bytes: 128,
        ..Submission::default()
    };
    assert!(world.run(parent, wait).is_empty());
    let own = world.give(child, Object::Process(child.process), process::ID);
    world.write(child, 0, &[1 << 32, 7]);
    let exit = Submission { handle: own, method: process::exit::METHOD, message_bytes: 16, ..wait };
    world.submit(child, exit);
    world.enter(child, 0);
    let done = world.completions(parent);
    assert_eq!(done[0].status, status::OK);
    let results = process::wait::results::CODE;
    let words = world.read(parent, 1024, 4);
    assert_eq!(words[1 + results.offset as usize / 8] >> (results.offset % 8 * 8) & 0xffff_ffff, 7);
}

#[test]
fn nothing_stays_behind() {
    let mut world = World::new();
    let before = world.footprint();
    for _ in 0..50 {
        let (server, own, client, object) = pair(&mut world);
        world.call_kernel(server, own, endpoint_server::ID, endpoint_server::mint::METHOD, &[9, 9]);
        world.run(server, receive(own));
        world.run(client, call(object));
        kill(&mut world, client);
        kill(&mut world, server);
    }
    assert_eq!(world.footprint(), before);
}

#[test]
fn a_join_ends_once_whenever_who_waits_is_killed_or_stands_still() {
    const JOINS: u16 = 20;
    // Stays of the kernel in which the thread is put away, and more.
    for (stays, is_killed) in (0..12).flat_map(|stays| [(stays, false), (stays, true)]) {
        let mut world = World::new();
        let before = world.footprint();
        let (child, parent) = (world.actor("child", PLENTY), world.actor("parent", PLENTY));
        let handle = world.give(parent, Object::Thread(child.thread), thread::ID);
        for tag in 1..=JOINS {
            world.submit(parent, Submission { tag, ..join(handle) });
        }
        world.enter(parent, JOINS.into());
        world.kernel.end_process(child.process, Outcome::Killed);
        (0..stays).for_each(|_| world.stay());
        world.kernel.begin_stay(0);
        if is_killed {
            world.kernel.end_process(parent.process, Outcome::Killed);
            world.settle();
        } else {
            while !world.kernel.suspend_step(parent.process) {
                world.settle();
                world.kernel.begin_stay(0);
            }
            world.settle();
            world.kernel.begin_process(parent.process);
            world.settle();
            world.enter(parent, JOINS.into());
            let ends = world.completions(parent).into_iter().map(|end| (end.status, end.tag));
            assert_eq!(ends.collect::<Vec<_>>(), (1..=JOINS).rev().map(|tag| (status::OK, tag)).collect::<Vec<_>>());
            kill(&mut world, parent);
        }
        audit::check(&world);
        assert_eq!(world.footprint(), before, "after {stays} stays");
    }
}
