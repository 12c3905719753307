//! Notices of origins: against a model, with a full ledger, and by the thousand.
use super::audit;
use super::calls::{SERVED_INTERFACE, receive};
use super::world::{Actor, PLENTY, World};
use crate::authority::capability::Object;
use crate::authority::grant;
use crate::authority::handle::SlotRef;
use crate::execution::process::Outcome;
use crate::execution::thread::State;
use crate::ipc::endpoint::Endpoint;
use crate::ledger::{Amounts, Resource};
use crate::slab::Id;
use capos_abi::interface::{endpoint_server, ledger};
use capos_abi::ring::{COMPLETION_ENTRIES, RECEIVE_HEADROOM, Submission, kind, op};
use proptest::prelude::*;
use std::collections::VecDeque;

/// Notices that one stay posts at most.
const NOTICES_IN_A_STAY: usize = 30;
/// Slots that one stay empties at most.
const SLOTS_IN_A_STAY: u32 = 30;

/// An endpoint of the actor's, on which it receives.
fn endpoint(world: &mut World, server: Actor) -> (u64, Id<Endpoint>) {
    let paying = world.ledger(server);
    let handle = world.call_kernel(server, paying, ledger::ID, ledger::create_endpoint::METHOD, &[]).1[0];
    let Some(Object::Endpoint(id)) = world.kernel.processes[server.process].handles.get(handle).map(|c| c.object)
    else {
        panic!("an endpoint")
    };
    world.run(server, receive(handle));
    (handle, id)
}

fn mint(world: &mut World, server: Actor, endpoint: u64) -> u64 {
    let method = endpoint_server::mint::METHOD;
    world.call_kernel(server, endpoint, endpoint_server::ID, method, &[SERVED_INTERFACE, 7]).1[0]
}

fn slot(actor: Actor, handle: u64) -> SlotRef {
    SlotRef { process: actor.process, index: handle as u32 }
}

/// The notices that have come: the handles of the origins, in order.
fn notices(world: &mut World, server: Actor) -> Vec<u64> {
    let completions = world.completions(server);
    assert!(completions.iter().all(|done| done.kind == kind::UNREFERENCED), "{completions:?}");
    completions.iter().map(|notice| notice.value).collect()
}

/// Enters without anything to start until everything has come.
fn take_all(world: &mut World, server: Actor) -> Vec<u64> {
    let mut taken = Vec::new();
    loop {
        world.enter(server, 0);
        match notices(world, server) {
            more if more.is_empty() => return taken,
            more => taken.extend(more),
        }
    }
}

#[test]
fn notices_come_though_the_endpoints_ledger_is_full() {
    let mut world = World::new();
    let (server, client) = (world.actor("server", PLENTY), world.actor("client", PLENTY));
    let (own, _) = endpoint(&mut world, server);
    let origins: Vec<u64> = (0..20).map(|_| mint(&mut world, server, own)).collect();
    let copies: Vec<u64> = origins.iter().map(|&origin| world.copy(server, origin, client)).collect();
    let paying = &mut world.kernel.ledgers[world.kernel.processes[server.process].ledger];
    let left = paying.limits().of(Resource::KernelMemory) - paying.used().of(Resource::KernelMemory);
    paying.charge(Resource::KernelMemory, left).expect("it is left");
    copies.iter().for_each(|&copy| world.kernel.release_slot(slot(client, copy)));
    assert_eq!(take_all(&mut world, server), origins, "each once, the oldest first");
}

#[test]
fn a_notice_wakes_a_minter_that_waits() {
    let mut world = World::new();
    let (server, client) = (world.actor("server", PLENTY), world.actor("client", PLENTY));
    let (own, _) = endpoint(&mut world, server);
    let origin = mint(&mut world, server, own);
    let copy = world.copy(server, origin, client);
    world.enter(server, 1);
    assert_eq!(world.kernel.threads[server.thread].state, State::Blocked(1));
    world.run(client, Submission { op: op::RELEASE, handle: copy, ..Submission::default() });
    assert_ne!(world.kernel.threads[server.thread].state, State::Blocked(1));
    assert_eq!(notices(&mut world, server), [origin]);
}

#[test]
fn notices_leave_room_for_calls() {
    let mut world = World::new();
    let (server, client) = (world.actor("server", PLENTY), world.actor("client", PLENTY));
    let (own, _) = endpoint(&mut world, server);
    let origins: Vec<u64> = (0..COMPLETION_ENTRIES).map(|_| mint(&mut world, server, own)).collect();
    for origin in origins {
        let copy = world.copy(server, origin, client);
        world.kernel.release_slot(slot(client, copy));
    }
    let State::Running(processor) = world.kernel.threads[server.thread].state else { panic!("the server runs") };
    (0..COMPLETION_ENTRIES).for_each(|_| _ = world.kernel.enter(processor, 0, 0));
    assert_eq!(world.kernel.threads[server.thread].ring.positions.free_completions(), RECEIVE_HEADROOM);
}

/// A server of thousands of origins whose copies a client holds; what it is to be told when that is gone.
fn crowd(world: &mut World) -> (Actor, Actor, Vec<u64>) {
    let limits = Amounts::new([2000, 4000, 200, 16]);
    let (server, client) = (world.actor("server", limits), world.actor("client", limits));
    let (own, _) = endpoint(world, server);
    let origins: Vec<u64> = (0..3000).map(|_| mint(world, server, own)).collect();
    for &origin in &origins {
        world.copy(server, origin, client);
    }
    (server, client, origins)
}

/// Goes on until nothing is left to do; a stay empties so many slots of a process at most.
fn settle_in_steps(world: &mut World, dying: Actor) {
    let used = |world: &World| world.kernel.processes.get(dying.process).map_or(0, |process| process.handles.used());
    let mut before = used(world);
    while !world.kernel.chores.is_empty() || world.kernel.platform.has_interrupted() {
        world.stay();
        let now = used(world);
        assert!(before - now <= SLOTS_IN_A_STAY, "{before} before, {now} now");
        before = now;
    }
}

#[test]
fn notices_by_the_thousand_come_in_steps() {
    let mut world = World::new();
    let (server, client, origins) = crowd(&mut world);
    world.kernel.end_process(client.process, Outcome::Killed);
    settle_in_steps(&mut world, client);
    let State::Running(processor) = world.kernel.threads[server.thread].state else { panic!("the server runs") };
    let mut taken = Vec::new();
    while taken.len() < origins.len() {
        let _ = world.kernel.enter(processor, 0, 0);
        let now = notices(&mut world, server);
        assert!((1..=NOTICES_IN_A_STAY).contains(&now.len()), "{}", now.len());
        taken.extend(now);
    }
    assert_eq!(taken, origins);
}

#[test]
fn a_minter_ends_with_thousands_of_notices_that_nobody_took() {
    let mut world = World::new();
    let before = world.footprint();
    let (server, client, _) = crowd(&mut world);
    for dying in [client, server] {
        world.kernel.end_process(dying.process, Outcome::Killed);
        settle_in_steps(&mut world, dying);
    }
    assert_eq!(world.footprint(), before);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Mint(usize),
    Copy(usize),
    Release(usize),
    GiveUp(usize),
    Move(usize),
    Take(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0usize..2).prop_map(Step::Mint),
        4 => any::<usize>().prop_map(Step::Copy),
        6 => any::<usize>().prop_map(Step::Release),
        2 => any::<usize>().prop_map(Step::GiveUp),
        1 => any::<usize>().prop_map(Step::Move),
        1 => (0usize..2).prop_map(Step::Take),
    ]
}

/// An origin as its holder sees it.
struct Origin {
    holder: usize,
    handle: u64,
    /// Whether its holder minted it.
    is_own: bool,
    copies: u32,
}

/// Two minters at one endpoint, and a client of both.
struct Minters {
    world: World,
    servers: [Actor; 2],
    handles: [u64; 2],
    client: Actor,
    origins: Vec<Origin>,
    /// Handles of the client, with the origins that they were copied from as they were called then: holder and handle.
    copies: Vec<(u64, (usize, u64))>,
    waiting: [VecDeque<u64>; 2],
}

impl Minters {
    fn new() -> Self {
        let mut world = World::new();
        let [one, other, client] = ["one", "other", "client"].map(|name| world.actor(name, PLENTY));
        let (own, _) = endpoint(&mut world, one);
        let lent = world.copy(one, own, other);
        world.run(other, receive(lent));
        let (servers, handles) = ([one, other], [own, lent]);
        Self { world, servers, handles, client, origins: Vec::new(), copies: Vec::new(), waiting: Default::default() }
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Mint(holder) => {
                // The call itself would take some of the notices.
                self.take(holder);
                let handle = mint(&mut self.world, self.servers[holder], self.handles[holder]);
                self.origins.push(Origin { holder, handle, is_own: true, copies: 0 });
            }
            Step::Copy(at) if !self.origins.is_empty() => {
                let count = self.origins.len();
                let origin = &mut self.origins[at % count];
                origin.copies += 1;
                let copy = self.world.copy(self.servers[origin.holder], origin.handle, self.client);
                self.copies.push((copy, (origin.holder, origin.handle)));
            }
            Step::Release(at) if !self.copies.is_empty() => {
                let (copy, of) = self.copies.swap_remove(at % self.copies.len());
                self.world.kernel.release_slot(slot(self.client, copy));
                self.forget_copy(of);
            }
            Step::GiveUp(at) if !self.origins.is_empty() => {
                let Origin { holder, handle, .. } = self.origins.swap_remove(at % self.origins.len());
                self.world.kernel.release_slot(slot(self.servers[holder], handle));
                self.waiting[holder].retain(|notice| *notice != handle);
            }
            Step::Move(at) if !self.origins.is_empty() => self.transfer(at % self.origins.len()),
            Step::Take(holder) => self.take(holder),
            _ => {}
        }
    }

    fn take(&mut self, holder: usize) {
        let taken = take_all(&mut self.world, self.servers[holder]);
        assert_eq!(taken, self.waiting[holder].drain(..).collect::<Vec<_>>());
    }

    /// With the last copy of an origin, its minter is to be told.
    fn forget_copy(&mut self, (holder, handle): (usize, u64)) {
        let Some(origin) = self.origins.iter_mut().find(|it| it.holder == holder && it.handle == handle) else {
            return;
        };
        origin.copies -= 1;
        if origin.copies == 0 && origin.is_own && !self.waiting[holder].contains(&handle) {
            self.waiting[holder].push_back(handle);
        }
    }

    /// The other one gets an origin, of which it learns nothing.
    fn transfer(&mut self, at: usize) {
        let origin = &mut self.origins[at];
        let from = (origin.holder, origin.handle);
        let (source, to) = (slot(self.servers[from.0], from.1), self.servers[1 - from.0]);
        let kernel = &mut self.world.kernel;
        let held = kernel.processes[source.process].handles.get(from.1).copied().expect("held");
        kernel.reserve_handles(to.process, 1).expect("room");
        let arrived = kernel.insert_root(to.process, held);
        grant::replace(&mut kernel.processes, source, arrived);
        kernel.release_slot(source);
        *origin =
            Origin { holder: 1 - from.0, handle: kernel.handle_of(arrived), is_own: false, copies: origin.copies };
        let now = (origin.holder, origin.handle);
        self.copies.iter_mut().filter(|(_, of)| *of == from).for_each(|(_, of)| *of = now);
        self.waiting[from.0].retain(|notice| *notice != from.1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn notices_agree_with_the_model(steps in proptest::collection::vec(step(), 1..120)) {
        let mut minters = Minters::new();
        for step in steps {
            minters.apply(step);
            audit::check(&minters.world);
        }
        (0..2).for_each(|holder| minters.take(holder));
    }
}
