//! Reclaiming a ledger: what it paid for is gone, what others held of it is stale, and the account is even.
use super::audit;
use super::calls::{call, pair, receive};
use super::scheduling::bind;
use super::world::{Actor, PLENTY, World};
use crate::authority::capability::Object;
use crate::authority::handle::SlotRef;
use crate::execution::process::{Outcome, State};
use crate::execution::schedule::account::Numbers;
use crate::ledger::{Amounts, Ledger, MAX_DEPTH};
use crate::memory::range::{Kind, Range};
use crate::slab::Id;
use capos_abi::interface::{
    endpoint_server, ledger, memory_object, notification, process, scheduling_context, thread, virtual_memory,
};
use capos_abi::ring::{Submission, op};
use capos_abi::status;

const LIMITS: [u64; 4] = [200, 100, 50, 8];
const LESS: [u64; 4] = [100, 50, 20, 4];

fn ledger_call(world: &mut World, actor: Actor, handle: u64, method: u16, data: &[u64]) -> Vec<u64> {
    let (done, words) = world.call_kernel(actor, handle, ledger::ID, method, data);
    assert_eq!(done.status, status::OK, "method {method}");
    words
}

/// A ledger below the actor's own, as a capability and as an object.
pub(super) fn below(world: &mut World, actor: Actor, parent: u64, limits: &[u64]) -> (u64, Id<Ledger>) {
    let handle = ledger_call(world, actor, parent, ledger::create_ledger::METHOD, limits)[0];
    let held = world.kernel.processes[actor.process].handles.get(handle).expect("held");
    let Object::Ledger(id) = held.object else { panic!("a ledger") };
    (handle, id)
}

pub(super) fn reclaim(world: &mut World, actor: Actor, handle: u64) {
    let done = u64::from(ledger::progress::DONE);
    while ledger_call(world, actor, handle, ledger::reclaim::METHOD, &[])[1] != done {
        world.settle();
    }
}

#[test]
fn processes_on_the_ledger_and_below_it_end() {
    let mut world = World::new();
    let owner = world.actor("owner", PLENTY);
    let own = world.ledger(owner);
    let before = world.footprint();
    let (first, id) = below(&mut world, owner, own, &LIMITS);
    let (second, _) = below(&mut world, owner, first, &LESS);
    for (account, name) in [(first, 1), (second, 2)] {
        let made = ledger_call(&mut world, owner, account, ledger::create_process::METHOD, &[name]);
        let held = world.kernel.processes[owner.process].handles.get(made[0]).expect("held").object;
        let Object::Process(process) = held else { panic!("a process") };
        let payer = world.kernel.processes[process].ledger;
        let thread = world.kernel.new_thread(payer, process, Default::default(), 64 << 10).expect("room");
        world.kernel.begin_process(process);
        world.settle();
        assert!(world.kernel.threads.get(thread).is_some());
    }
    reclaim(&mut world, owner, first);
    assert_eq!(*world.kernel.ledgers[id].used(), Amounts::default());
    assert_eq!(world.footprint().1, before.1, "every frame is back");
    let again = ledger_call(&mut world, owner, first, ledger::create_notification::METHOD, &[]);
    assert_ne!(again[0], 0, "the ledger can be used again");
    let (refused, _) = world.call_kernel(owner, second, ledger::ID, ledger::create_notification::METHOD, &[]);
    assert_eq!(refused.status, status::EXHAUSTED, "the one below has ended");
}

#[test]
fn who_faults_while_its_ledger_is_reclaimed_was_killed() {
    let mut world = World::new();
    let (holder, actor) = (world.actor("holder", PLENTY), world.actor("a", PLENTY));
    world.give(holder, Object::Process(actor.process), process::ID);
    let ledger = world.kernel.processes[actor.process].ledger;
    world.kernel.ledgers[ledger].closed = true;
    world.touch(actor, 0);
    world.settle();
    assert_eq!(world.kernel.processes[actor.process].state, State::Ended(Outcome::Killed));
    assert!(!world.kernel.platform.console.contains("faulted"));
}

#[test]
fn what_others_hold_of_it_is_stale() {
    let mut world = World::new();
    let (owner, other) = (world.actor("owner", PLENTY), world.actor("other", PLENTY));
    let own = world.ledger(owner);
    let (account, id) = below(&mut world, owner, own, &LIMITS);
    let made = |world: &mut World, method, data: &[u64]| {
        let handle = ledger_call(world, owner, account, method, data)[0];
        (handle, world.copy(owner, handle, other))
    };
    let (_, memory) = made(&mut world, ledger::create_memory_object::METHOD, &[8192]);
    let (_, bits) = made(&mut world, ledger::create_notification::METHOD, &[]);
    let (endpoint, lent) = made(&mut world, ledger::create_endpoint::METHOD, &[]);
    let minted = world.call_kernel(owner, endpoint, endpoint_server::ID, endpoint_server::mint::METHOD, &[5, 5]).1[0];
    let object = world.copy(owner, minted, other);
    let address = map(&mut world, other, memory);
    world.run(other, receive(lent));
    world.run(other, Submission { op: op::WAIT, tag: 9, handle: bits, arg: 1, user_data: 1, ..Submission::default() });
    world.run(other, Submission { interface: 5, ..call(object) });

    reclaim(&mut world, owner, account);
    let ended: Vec<_> = world.completions(other).iter().map(|c| c.status).collect();
    assert!(ended.contains(&status::STALE), "the wait and the receive have ended: {ended:?}");
    assert!(!world.kernel.platform.pages.keys().any(|(_, page)| *page == address), "the mapping is gone");
    assert_eq!(*world.kernel.ledgers[id].used(), Amounts::default());
    for (handle, interface, method) in [
        (memory, memory_object::ID, memory_object::reader::METHOD),
        (bits, notification::ID, notification::signal::METHOD),
        (lent, endpoint_server::ID, endpoint_server::mint::METHOD),
    ] {
        assert_eq!(world.call_kernel(other, handle, interface, method, &[5, 5]).0.status, status::STALE);
    }
    assert_eq!(world.run(other, Submission { interface: 5, ..call(object) })[0].status, status::STALE);
    assert_eq!(world.run(other, receive(lent))[0].status, status::STALE);
}

fn map(world: &mut World, actor: Actor, memory: u64) -> u64 {
    let address = world.map(actor, memory, 8192, virtual_memory::access::READ_WRITE).expect("mapped");
    world.touch(actor, address);
    address
}

#[test]
fn what_is_held_outlasts_the_reclaiming_of_its_ledger_and_goes_with_its_holder() {
    let mut world = World::new();
    let (owner, user) = (world.actor("owner", PLENTY), world.actor("user", PLENTY));
    let own = world.ledger(owner);
    let (account, id) = below(&mut world, owner, own, &LIMITS);
    let before = world.footprint().1;
    let memory = ledger_call(&mut world, owner, account, ledger::create_memory_object::METHOD, &[8192])[0];
    let copy = world.copy(owner, memory, user);
    let address = map(&mut world, user, copy);
    let space = world.give(user, Object::VirtualMemory(user.process), virtual_memory::ID);
    let change = |world: &mut World, method| {
        let (done, _) = world.call_kernel(user, space, virtual_memory::ID, method, &[address, 8192]);
        assert_eq!(done.status, status::OK);
    };
    change(&mut world, virtual_memory::hold::METHOD);
    let with_memory = world.footprint().1;
    assert!(with_memory < before);

    reclaim(&mut world, owner, account);
    assert_eq!(*world.kernel.ledgers[id].used(), Amounts::default());
    assert_eq!(world.footprint().1, with_memory, "the frame of the page that was touched is not free");
    assert!(world.kernel.platform.pages.keys().any(|(_, page)| *page == address), "the mapping stays");
    audit::check(&world);
    change(&mut world, virtual_memory::unmap::METHOD);
    world.settle();
    assert_eq!(world.footprint().1, with_memory + 1, "nobody holds it any more");
    audit::check(&world);
}

#[test]
fn what_two_hold_goes_with_the_second_of_them() {
    let mut world = World::new();
    let owner = world.actor("owner", PLENTY);
    let own = world.ledger(owner);
    let (account, _) = below(&mut world, owner, own, &LIMITS);
    let memory = ledger_call(&mut world, owner, account, ledger::create_memory_object::METHOD, &[8192])[0];
    let change = |world: &mut World, (user, address): (Actor, u64), method| {
        let space = world.give(user, Object::VirtualMemory(user.process), virtual_memory::ID);
        let (done, _) = world.call_kernel(user, space, virtual_memory::ID, method, &[address, 8192]);
        assert_eq!(done.status, status::OK);
        world.settle();
        audit::check(world);
    };
    let users = ["one", "other"].map(|name| {
        let user = world.actor(name, PLENTY);
        let copy = world.copy(owner, memory, user);
        let address = map(&mut world, user, copy);
        change(&mut world, (user, address), virtual_memory::hold::METHOD);
        (user, address)
    });
    reclaim(&mut world, owner, account);
    let free = |world: &World| world.footprint().1;
    let before = free(&world);
    change(&mut world, users[0], virtual_memory::unmap::METHOD);
    assert_eq!(free(&world), before, "the other one holds it");
    change(&mut world, users[1], virtual_memory::unmap::METHOD);
    assert_eq!(free(&world), before + 1);
}

#[test]
fn a_thread_ends_with_the_ledger_that_pays_for_it_and_so_does_its_process() {
    let mut world = World::new();
    let (owner, other) = (world.actor("owner", PLENTY), world.actor("other", PLENTY));
    let own = world.ledger(owner);
    let (account, id) = below(&mut world, owner, own, &LIMITS);
    let second = world.kernel.new_thread(id, other.process, Default::default(), 64 << 10).expect("room");
    world.give(owner, Object::Thread(second), thread::ID);
    world.give(owner, Object::Process(other.process), process::ID);
    world.settle();

    reclaim(&mut world, owner, account);
    assert_eq!(*world.kernel.ledgers[id].used(), Amounts::default());
    let state = world.kernel.processes[other.process].state;
    assert!(matches!(state, State::Ended(Outcome::Killed)), "it cannot go on without it: {state:?}");
}

#[test]
fn a_scheduling_context_ends_with_the_ledger_that_pays_for_it() {
    let mut world = World::new();
    let (payer, bound, other) =
        (world.actor("payer", PLENTY), world.actor("bound", PLENTY), world.actor("other", PLENTY));
    let before = world.kernel.threads[bound.thread].account.numbers;
    let context = bind(&mut world, payer, bound.thread, Numbers { weight: 2 * before.weight, ..before });
    let context = world.copy(payer, context, other);
    let id = world.kernel.processes[payer.process].ledger;
    let account = world.give(other, Object::Ledger(id), ledger::ID);
    assert_ne!(world.kernel.threads[bound.thread].account.numbers, before);

    reclaim(&mut world, other, account);
    assert_eq!(*world.kernel.ledgers[id].used(), Amounts::default());
    assert_eq!(world.kernel.threads[bound.thread].account.numbers, before, "as if it had never been bound");
    let inspect = scheduling_context::inspect::METHOD;
    assert_eq!(world.call_kernel(other, context, scheduling_context::ID, inspect, &[]).0.status, status::STALE);
}

#[test]
fn shells_go_with_the_last_capability_and_nothing_stays_behind() {
    let mut world = World::new();
    let before = world.footprint();
    let owner = world.actor("owner", PLENTY);
    let own = world.ledger(owner);
    let (server, lent, client, _) = pair(&mut world);
    world.copy(server, lent, owner);
    let account = world.kernel.processes[server.process].ledger;
    let account = world.give(owner, Object::Ledger(account), ledger::ID);
    world.give(owner, Object::Process(server.process), process::ID);
    world.run(server, receive(lent));
    reclaim(&mut world, owner, account);
    let (first, _) = below(&mut world, owner, own, &LIMITS);
    let (second, _) = below(&mut world, owner, first, &LESS);
    ledger_call(&mut world, owner, second, ledger::create_memory_object::METHOD, &[4096]);
    reclaim(&mut world, owner, first);
    for actor in [owner, client] {
        world.kernel.end_process(actor.process, Outcome::Killed);
        world.settle();
    }
    assert_eq!(world.footprint(), before);
}

#[test]
fn who_reclaims_its_own_ledger_ends() {
    let mut world = World::new();
    let before = world.footprint();
    let actor = world.actor("a", PLENTY);
    let own = world.ledger(actor);
    world.submit(
        actor,
        Submission {
            op: op::CALL,
            handle: own,
            interface: ledger::ID,
            method: ledger::reclaim::METHOD,
            result_offset: 1024,
            result_bytes: 64,
            ..Submission::default()
        },
    );
    world.enter(actor, 1);
    assert!(world.kernel.processes.get(actor.process).is_none());
    assert_eq!(world.footprint().1, before.1);
}

#[test]
fn ledgers_are_only_so_deep() {
    let mut world = World::new();
    let actor = world.actor("a", PLENTY);
    let mut at = world.ledger(actor);
    for depth in 1..MAX_DEPTH {
        let objects = u64::from(MAX_DEPTH - depth) * 2;
        at = ledger_call(&mut world, actor, at, ledger::create_ledger::METHOD, &[0, 0, objects, 0])[0];
    }
    let (refused, _) = world.call_kernel(actor, at, ledger::ID, ledger::create_ledger::METHOD, &[0, 0, 0, 0]);
    assert_eq!(refused.status, status::BAD_STATE);
}

#[test]
fn nothing_is_charged_to_a_ledger_that_is_being_reclaimed() {
    let mut world = World::new();
    let owner = world.actor("owner", PLENTY);
    let own = world.ledger(owner);
    let (account, id) = below(&mut world, owner, own, &LIMITS);
    let make =
        |world: &mut World| world.call_kernel(owner, account, ledger::ID, ledger::create_notification::METHOD, &[]).0;
    // The first step of its reclaiming.
    world.kernel.ledgers[id].closed = true;
    assert_eq!(make(&mut world).status, status::EXHAUSTED);
    assert_eq!(*world.kernel.ledgers[id].used(), Amounts::default());
    reclaim(&mut world, owner, account);
    assert_eq!(make(&mut world).status, status::OK);
}

#[test]
fn who_is_about_to_be_reclaimed_keeps_its_memory_until_it_has_ended() {
    let mut world = World::new();
    let (owner, other) = (world.actor("owner", PLENTY), world.actor("other", PLENTY));
    let own = world.ledger(owner);
    let (first, _) = below(&mut world, owner, own, &LESS);
    let (second, id) = below(&mut world, owner, own, &LESS);
    let memory = ledger_call(&mut world, owner, second, ledger::create_memory_object::METHOD, &[8192])[0];
    let copy = world.copy(owner, memory, other);
    let address = map(&mut world, other, copy);
    let is_mapped = |world: &World| world.kernel.processes[other.process].ranges.find(address).is_some_and(is_mapping);
    // The first step of somebody else's reclaiming.
    world.kernel.ledgers[id].closed = true;
    reclaim(&mut world, owner, first);
    assert!(is_mapped(&world), "one reclaiming does not do the other's work before its time");
    reclaim(&mut world, owner, second);
    assert!(!is_mapped(&world));
}

fn is_mapping(range: &Range) -> bool {
    matches!(range.kind, Kind::Mapped { .. })
}

#[test]
fn a_process_keeps_its_ledger_wherever_a_stay_of_its_burial_ends() {
    /// More than a stay may spend.
    const SPENT: u32 = 10_000;
    for spent in (0..SPENT).step_by(50) {
        let mut world = World::new();
        let owner = world.actor("owner", PLENTY);
        let before = world.footprint();
        let own = world.ledger(owner);
        let (account, id) = below(&mut world, owner, own, &LIMITS);
        let made = ledger_call(&mut world, owner, account, ledger::create_process::METHOD, &[1]);
        let held = world.kernel.processes[owner.process].handles.get(made[0]).expect("held").object;
        let Object::Process(process) = held else { panic!("a process") };
        world.kernel.begin_stay(7);
        world.kernel.stay.spend(spent);
        world.kernel.end_process(process, Outcome::Killed);
        world.kernel.do_chores();
        world.kernel.begin_stay(7);
        while !world.kernel.reclaim_step(id) {
            world.stay();
        }
        for handle in made.into_iter().take(3).chain([account, own]) {
            let index = world.kernel.processes[owner.process].handles.index_of(handle).expect("held");
            world.kernel.release_slot(SlotRef { process: owner.process, index });
        }
        assert!(world.kernel.ledgers.get(id).is_none(), "nobody refers to it");
        world.settle();
        assert_eq!(world.footprint(), before, "spent {spent} before");
    }
}

#[test]
fn a_ledger_stays_closed_while_one_above_it_is_reclaimed() {
    let mut world = World::new();
    let actor = world.actor("a", PLENTY);
    let own = world.ledger(actor);
    let (outer, outer_id) = below(&mut world, actor, own, &[40, 20, 20, 1]);
    let (inner, inner_id) = below(&mut world, actor, outer, &[10, 5, 5, 0]);
    // As behind the first pass over the outer one.
    [outer_id, inner_id].into_iter().for_each(|id| world.kernel.ledgers[id].closed = true);
    reclaim(&mut world, actor, inner);
    let make = ledger::create_notification::METHOD;
    assert_eq!(world.call_kernel(actor, inner, ledger::ID, make, &[]).0.status, status::EXHAUSTED);
    reclaim(&mut world, actor, outer);
    assert_eq!(world.call_kernel(actor, outer, ledger::ID, make, &[]).0.status, status::OK, "it can be used again");
}
