//! The grant tree against a model, and what revocation and moves do to those who hold and use capabilities.
use super::calls::{call, pair, receive, reply};
use super::world::{Actor, PLENTY, World};
use crate::authority::capability::{Capability, Object};
use crate::authority::grant;
use crate::authority::handle::SlotRef;
use crate::ledger::Amounts;
use crate::platform::Registers;
use capos_abi::interface::{handle_manager, ledger, memory_object, null, virtual_memory};
use capos_abi::message::mode;
use capos_abi::ring::{Submission, kind, op};
use capos_abi::status;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A grant tree with parents written down: name → (parent, slot).
type Model = BTreeMap<usize, (Option<usize>, SlotRef)>;

#[derive(Clone, Copy, Debug)]
enum Step {
    Copy(usize, usize),
    Release(usize),
    Move(usize, usize),
    Revoke(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0usize..64, 0usize..3).prop_map(|(at, to)| Step::Copy(at, to)),
        2 => (0usize..64).prop_map(Step::Release),
        1 => (0usize..64, 0usize..3).prop_map(|(at, to)| Step::Move(at, to)),
        1 => (0usize..64).prop_map(Step::Revoke),
    ]
}

fn descendants(model: &Model, of: usize) -> Vec<usize> {
    let children = model.iter().filter(|(_, (parent, _))| *parent == Some(of)).map(|(&name, _)| name);
    children.flat_map(|child| std::iter::once(child).chain(descendants(model, child))).collect()
}

fn apply(world: &mut World, actors: &[Actor], model: &mut Model, step: Step, name: usize) {
    let pick = |model: &Model, at: usize| *model.keys().nth(at % model.len()).expect("the root stays");
    match step {
        Step::Copy(at, to) => {
            let parent = pick(model, at);
            let to = actors[to].process;
            world.kernel.reserve_handles(to, 1).expect("room");
            let slot = world.kernel.insert_derived(model[&parent].1, to, Capability::new(Object::Null, null::ID));
            model.insert(name, (Some(parent), slot));
        }
        Step::Release(at) => {
            let gone = pick(model, at);
            if gone != 0 {
                let (parent, slot) = model.remove(&gone).expect("picked");
                model.values_mut().filter(|(p, _)| *p == Some(gone)).for_each(|(p, _)| *p = parent);
                world.kernel.release_slot(slot);
            }
        }
        Step::Move(at, to) => {
            let moved = pick(model, at);
            let to = actors[to].process;
            world.kernel.reserve_handles(to, 1).expect("room");
            let arrived = world.kernel.insert_root(to, Capability::new(Object::Null, null::ID));
            let from = model[&moved].1;
            grant::replace(&mut world.kernel.processes, from, arrived);
            world.kernel.release_slot(from);
            model.get_mut(&moved).expect("picked").1 = arrived;
        }
        Step::Revoke(at) => {
            let of = pick(model, at);
            world.kernel.begin_stay(0);
            while !world.kernel.revoke_step(model[&of].1) {
                world.kernel.begin_stay(0);
            }
            for gone in descendants(model, of) {
                model.remove(&gone);
            }
        }
    }
}

proptest! {
    #[test]
    fn the_tree_agrees_with_the_model(steps in proptest::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        let actors = [world.actor("a", PLENTY), world.actor("b", PLENTY), world.actor("c", PLENTY)];
        let before: u32 = actors.iter().map(|a| world.kernel.processes[a.process].handles.used()).sum();
        let first = world.give(actors[0], Object::Null, null::ID);
        let root = SlotRef { process: actors[0].process, index: first as u32 };
        let mut model = Model::from([(0, (None, root))]);
        for (i, step) in steps.into_iter().enumerate() {
            apply(&mut world, &actors, &mut model, step, i + 1);
            let used: u32 = actors.iter().map(|a| world.kernel.processes[a.process].handles.used()).sum();
            prop_assert_eq!((used - before) as usize, model.len());
            for (&name, &(parent, slot)) in &model {
                let found = grant::parent(&mut world.kernel.processes, slot);
                prop_assert_eq!(found, parent.map(|p| model[&p].1.into()));
                let has_child = grant::first_child(&mut world.kernel.processes, slot).is_some();
                prop_assert_eq!(has_child, !descendants(&model, name).is_empty());
            }
        }
    }
}

pub(super) fn manager(world: &mut World, actor: Actor) -> u64 {
    world.give(actor, Object::Handles(actor.process), handle_manager::ID)
}

pub(super) fn revoke(world: &mut World, actor: Actor, manager: u64, handle: u64) {
    let done = u64::from(handle_manager::progress::DONE);
    loop {
        let (step, words) =
            world.call_kernel(actor, manager, handle_manager::ID, handle_manager::revoke::METHOD, &[handle]);
        assert_eq!(step.status, status::OK);
        if words[1] == done {
            return;
        }
    }
}

#[test]
fn revoking_ends_copies_and_the_calls_that_use_them() {
    let mut world = World::new();
    let (server, own, client, object) = pair(&mut world);
    let manager = manager(&mut world, server);
    let other = world.actor("other", PLENTY);
    let copy = world.copy(client, object, other);
    world.run(server, receive(own));
    world.run(client, call(object));
    world.enter(server, 0);
    world.completions(server);
    let origin = (0..64).map(|i| world.kernel.processes[server.process].handles.handle_of(i)).find(|&h| {
        matches!(world.kernel.processes[server.process].handles.get(h).map(|c| c.object), Some(Object::Served(_)))
    });
    revoke(&mut world, server, manager, origin.expect("the origin"));
    assert_eq!(world.completions(client)[0].status, status::STALE, "the delivered call has ended");
    assert_eq!(world.run(client, call(object))[0].status, status::STALE);
    assert_eq!(world.run(other, call(copy))[0].status, status::STALE);
}

#[test]
fn revoking_ends_receptions_and_waits() {
    let mut world = World::new();
    let (owner, own, client, object) = pair(&mut world);
    let (manager, server) = (manager(&mut world, owner), world.actor("server", PLENTY));
    let lent = world.copy(owner, own, server);
    world.run(server, receive(lent));
    assert!(world.run(client, call(object)).is_empty());
    world.enter(server, 0);
    let [delivery] = world.completions(server)[..] else { panic!("one delivery") };
    revoke(&mut world, owner, manager, own);
    let [over] = world.completions(server)[..] else { panic!("one end") };
    assert_eq!((over.user_data, over.kind, over.status), (55, kind::DONE, status::STALE), "the reception has ended");
    assert_eq!(world.completions(client)[0].status, status::SERVER_DIED, "so has the call that it held");
    assert_eq!(world.run(server, reply(delivery.value))[0].status, status::TOO_LATE);
    assert_eq!(world.run(server, receive(lent))[0].status, status::STALE);
    assert!(world.run(client, call(object)).is_empty(), "the next call waits for another server");
    assert_eq!(world.run(owner, receive(own))[0].kind, kind::DELIVERY);

    let paying = world.ledger(owner);
    let (_, made) = world.call_kernel(owner, paying, ledger::ID, ledger::create_notification::METHOD, &[]);
    let bell = world.copy(owner, made[0], server);
    let wait = Submission { op: op::WAIT, handle: bell, tag: 3, user_data: 8, arg: 1, ..Submission::default() };
    assert!(world.run(server, wait).is_empty());
    revoke(&mut world, owner, manager, made[0]);
    let [over] = world.completions(server)[..] else { panic!("one end") };
    assert_eq!((over.user_data, over.status), (8, status::STALE), "the wait has ended");
}

#[test]
fn a_large_tree_goes_in_steps() {
    let mut world = World::new();
    let actor = world.actor("a", crate::ledger::Amounts::new([100, 2000, 20, 4]));
    let manager = manager(&mut world, actor);
    let handle = world.give(actor, Object::Null, null::ID);
    for _ in 0..1000 {
        world.copy(actor, handle, actor);
    }
    let slot = SlotRef { process: actor.process, index: handle as u32 };
    assert!(!world.kernel.revoke_step(slot));
    revoke(&mut world, actor, manager, handle);
    assert_eq!(world.call_kernel(actor, handle, null::ID, 0, &[]).0.status, status::OK, "the handle itself stays");
}

#[test]
fn revoked_memory_is_unmapped_everywhere() {
    let mut world = World::new();
    let (owner, user) = (world.actor("owner", PLENTY), world.actor("user", PLENTY));
    let (paying, manager) = (world.ledger(owner), manager(&mut world, owner));
    let (_, made) = world.call_kernel(owner, paying, ledger::ID, ledger::create_memory_object::METHOD, &[8192]);
    let copy = world.copy(owner, made[0], user);
    let address = world.map(user, copy, 8192, virtual_memory::access::READ_WRITE).expect("mapped");
    world.touch(user, address);
    assert_eq!(world.kernel.platform.pages.iter().filter(|((_, page), _)| *page == address).count(), 1);
    assert_eq!(memory_object::ID, world.kernel.processes[user.process].handles.get(copy).expect("held").interface);
    revoke(&mut world, owner, manager, made[0]);
    assert_eq!(world.kernel.platform.pages.iter().filter(|((_, page), _)| *page == address).count(), 0);
}

#[test]
fn a_moved_capability_is_locked_until_delivery_and_then_gone() {
    let mut world = World::new();
    let (server, own, client, object) = pair(&mut world);
    let null = world.give(client, Object::Null, null::ID);
    world.write(client, 0, &[null, mode::MOVE, 1 << 48, 3]);
    let moving = Submission { caps: 0x21, message_bytes: 32, ..call(object) };
    assert!(world.run(client, moving).is_empty());
    assert_eq!(world.call_kernel(client, null, null::ID, 0, &[]).0.status, status::STALE, "it is on its way");
    let cancel = Submission { op: op::CANCEL, arg: 1, tag: 9, ..Submission::default() };
    world.run(client, cancel);
    assert_eq!(world.call_kernel(client, null, null::ID, 0, &[]).0.status, status::OK, "it has come back");

    world.write(client, 0, &[null, mode::MOVE, 1 << 48, 3]);
    world.run(client, moving);
    let delivery = world.run(server, receive(own))[0];
    assert_eq!((delivery.kind, delivery.caps), (kind::DELIVERY, 1));
    assert_eq!(world.call_kernel(client, null, null::ID, 0, &[]).0.status, status::STALE);
    let arrived = world.read(server, 8192 + u32::from(delivery.slot) * super::calls::SLOT_BYTES + 64, 1)[0];
    assert_eq!(world.call_kernel(server, arrived, null::ID, 0, &[]).0.status, status::OK);
    world.run(server, reply(delivery.value));
}

#[test]
fn what_is_being_revoked_does_not_come_back_from_a_move_that_was_cancelled() {
    let mut world = World::new();
    let (_, _, client, object) = pair(&mut world);
    let owner = world.actor("owner", PLENTY);
    let (paying, manager) = (world.ledger(owner), manager(&mut world, owner));
    let (_, made) = world.call_kernel(owner, paying, ledger::ID, ledger::create_notification::METHOD, &[]);
    let bell = world.copy(owner, made[0], client);
    // So many waits that one step of the revocation does not end them.
    for tag in 10..60 {
        world.run(client, Submission { op: op::WAIT, handle: bell, tag, arg: 1, ..Submission::default() });
    }
    world.write(client, 0, &[bell, mode::MOVE, 1 << 48, 3]);
    assert!(world.run(client, Submission { caps: 0x21, message_bytes: 32, ..call(object) }).is_empty());
    let step = |world: &mut World| {
        let method = handle_manager::revoke::METHOD;
        world.call_kernel(owner, manager, handle_manager::ID, method, &[made[0]]).1[1]
    };
    assert_eq!(step(&mut world), handle_manager::progress::MORE.into());
    assert!(world.completions(client).len() < 50, "it goes on");
    let cancel = Submission { op: op::CANCEL, arg: 1, tag: 9, user_data: 5, ..Submission::default() };
    let ends: Vec<_> = world.run(client, cancel).iter().map(|end| (end.user_data, end.status)).collect();
    assert_eq!(ends, [(99, status::CANCELLED), (5, status::OK)]);
    let signal = Submission { op: op::SIGNAL, handle: bell, arg: 1, ..Submission::default() };
    assert_eq!(world.run(client, signal)[0].status, status::STALE, "it stays locked");
    while step(&mut world) != u64::from(handle_manager::progress::DONE) {}
    assert_eq!(world.run(client, signal).last().map(|end| end.status), Some(status::STALE));
}

#[test]
fn what_each_thread_does_with_a_revoked_capability_ends_however_many_there_are() {
    const THREADS: usize = 160;
    const TAGS: u16 = 8;
    let mut world = World::new();
    let owner = world.actor("owner", PLENTY);
    let (paying, manager) = (world.ledger(owner), manager(&mut world, owner));
    let (_, made) = world.call_kernel(owner, paying, ledger::ID, ledger::create_notification::METHOD, &[]);
    let user = world.actor("user", Amounts::new([4000, 20, 20, 200]));
    let payer = world.kernel.processes[user.process].ledger;
    let bell = world.copy(owner, made[0], user);
    let threads: Vec<Actor> = (0..THREADS)
        .map(|_| {
            let registers = Registers { entry: 0x20_0000, ..Registers::default() };
            let thread = world.kernel.new_thread(payer, user.process, registers, 16 << 10).expect("room");
            world.settle();
            Actor { thread, area: world.kernel.threads[thread].ring.area, ..user }
        })
        .collect();
    for (&thread, tag) in threads.iter().zip((0..TAGS).rev().cycle()) {
        assert_eq!(
            world.run(thread, Submission { op: op::WAIT, handle: bell, tag, arg: 1, ..Submission::default() }),
            []
        );
    }
    let (interface, method) = (handle_manager::ID, handle_manager::revoke::METHOD);
    let done = u64::from(handle_manager::progress::DONE);
    let steps = (1..=THREADS).find(|_| world.call_kernel(owner, manager, interface, method, &[made[0]]).1[1] == done);
    assert!(steps.is_some_and(|steps| steps > 2), "{steps:?}");
    for thread in threads {
        assert_eq!(world.completions(thread)[0].status, status::STALE);
    }
}
