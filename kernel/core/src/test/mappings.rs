//! Mappings as a part of the grant tree: against a model, and by the thousand.
use super::audit;
use super::grants::{manager, revoke};
use super::world::{Actor, PLENTY, World};
use crate::authority::capability::Object;
use crate::authority::grant;
use crate::authority::handle::SlotRef;
use crate::execution::process::Outcome;
use crate::ledger::Amounts;
use crate::memory::range::Kind;
use capos_abi::PAGE_BYTES;
use capos_abi::interface::virtual_memory::{self, access, hold, protect, unmap};
use capos_abi::interface::{ledger, memory_object};
use capos_abi::ring::{Submission, op};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of each mapping of the model.
const MAPPED_BYTES: u64 = 3 * PAGE_BYTES;
/// Mappings of a crowd.
const MAPPINGS: usize = 2000;
/// Those that one stay ends at most.
const MAPPINGS_IN_A_STAY: usize = 30;

#[derive(Clone, Copy, Debug)]
enum Step {
    Copy(usize, usize),
    Release(usize),
    Move(usize, usize),
    Revoke(usize),
    Map(usize),
    /// A method of `VirtualMemory`, of the page of a mapping with this number.
    Change(u16, usize, u64),
}

fn step() -> impl Strategy<Value = Step> {
    let change = prop::sample::select(vec![unmap::METHOD, unmap::METHOD, protect::METHOD, hold::METHOD]);
    prop_oneof![
        3 => (any::<usize>(), 0usize..3).prop_map(|(at, to)| Step::Copy(at, to)),
        2 => any::<usize>().prop_map(Step::Release),
        1 => (any::<usize>(), 0usize..3).prop_map(|(at, to)| Step::Move(at, to)),
        1 => any::<usize>().prop_map(Step::Revoke),
        5 => any::<usize>().prop_map(Step::Map),
        3 => (change, any::<usize>(), 0..3u64).prop_map(|(what, at, page)| Step::Change(what, at, page)),
    ]
}

/// A capability: what it was copied from, and where it is.
#[derive(Clone, Copy, Debug)]
struct Held {
    parent: Option<usize>,
    holder: usize,
    handle: u64,
}

/// A mapped page: below which capability, whether the holder of that has made it, whether it is held.
#[derive(Clone, Copy, Debug)]
struct Mapped {
    below: usize,
    is_own: bool,
    is_held: bool,
}

/// Capabilities to one memory object, and the pages that are mapped with them.
struct Model {
    world: World,
    actors: [Actor; 3],
    managers: [u64; 3],
    spaces: [u64; 3],
    held: BTreeMap<usize, Held>,
    pages: BTreeMap<(usize, u64), Mapped>,
    /// Where the mappings began.
    mappings: Vec<(usize, u64)>,
    next_name: usize,
}

/// A memory object of the actor's.
fn memory(world: &mut World, actor: Actor, bytes: u64) -> u64 {
    let paying = world.ledger(actor);
    world.call_kernel(actor, paying, ledger::ID, ledger::create_memory_object::METHOD, &[bytes]).1[0]
}

fn space(world: &mut World, actor: Actor) -> u64 {
    world.give(actor, Object::VirtualMemory(actor.process), virtual_memory::ID)
}

/// Addresses of the pages of memory objects that are mapped.
fn mapped_pages(world: &World, actor: Actor) -> BTreeSet<u64> {
    let Some(process) = world.kernel.processes.get(actor.process) else { return BTreeSet::new() };
    let mapped = process.ranges.iter().filter(|range| matches!(range.kind, Kind::Mapped { .. }));
    mapped.flat_map(|range| (range.start..range.end).step_by(PAGE_BYTES as usize)).collect()
}

impl Model {
    fn new() -> Self {
        let mut world = World::new();
        let actors = ["a", "b", "c"].map(|name| world.actor(name, PLENTY));
        let managers = actors.map(|actor| manager(&mut world, actor));
        let spaces = actors.map(|actor| space(&mut world, actor));
        let handle = memory(&mut world, actors[0], MAPPED_BYTES);
        let held = BTreeMap::from([(0, Held { parent: None, holder: 0, handle })]);
        let (pages, mappings) = (BTreeMap::new(), Vec::new());
        Self { world, actors, managers, spaces, held, pages, mappings, next_name: 1 }
    }

    fn pick(&self, at: usize) -> (usize, Held) {
        let (&name, &held) = self.held.iter().nth(at % self.held.len()).expect("the root stays");
        (name, held)
    }

    fn slot(&self, held: &Held) -> SlotRef {
        SlotRef { process: self.actors[held.holder].process, index: held.handle as u32 }
    }

    fn descendants(&self, of: usize) -> Vec<usize> {
        let children = self.held.iter().filter(|(_, held)| held.parent == Some(of)).map(|(&name, _)| name);
        children.flat_map(|child| std::iter::once(child).chain(self.descendants(child))).collect()
    }

    fn map(&mut self, holder: usize, handle: u64) -> u64 {
        let (actor, space) = (self.actors[holder], self.spaces[holder]);
        self.world.map_at(actor, space, handle, 0, MAPPED_BYTES, access::READ).expect("room")
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Copy(at, to) => {
                let (parent, Held { holder, handle, .. }) = self.pick(at);
                let handle = self.world.copy(self.actors[holder], handle, self.actors[to]);
                self.held.insert(self.next_name, Held { parent: Some(parent), holder: to, handle });
                self.next_name += 1;
            }
            Step::Release(at) => self.release(at),
            Step::Move(at, to) => self.transfer(at, to),
            Step::Revoke(at) => {
                let (of, Held { holder, handle, .. }) = self.pick(at);
                revoke(&mut self.world, self.actors[holder], self.managers[holder], handle);
                let gone = self.descendants(of);
                self.held.retain(|name, _| !gone.contains(name));
                let stays = |it: &Mapped| it.is_held || !gone.contains(&it.below) && (it.below != of || it.is_own);
                self.pages.retain(|_, page| stays(page));
            }
            Step::Map(at) => {
                let (below, Held { holder, handle, .. }) = self.pick(at);
                let start = self.map(holder, handle);
                let page = Mapped { below, is_own: true, is_held: false };
                let addresses = (start..start + MAPPED_BYTES).step_by(PAGE_BYTES as usize);
                self.pages.extend(addresses.map(|address| ((holder, address), page)));
                self.mappings.push((holder, start));
            }
            Step::Change(method, at, page) if !self.mappings.is_empty() => {
                let (holder, start) = self.mappings[at % self.mappings.len()];
                self.change(method, holder, start + page * PAGE_BYTES);
            }
            Step::Change(..) => {}
        }
    }

    /// What was derived from it belongs to what it was derived from, whose holder has not made it.
    fn release(&mut self, at: usize) {
        let (name, held) = self.pick(at);
        let Some(parent) = held.parent else { return };
        self.held.remove(&name);
        self.held.values_mut().filter(|it| it.parent == Some(name)).for_each(|it| it.parent = Some(parent));
        for page in self.pages.values_mut().filter(|page| page.below == name) {
            (page.below, page.is_own) = (parent, false);
        }
        self.world.kernel.release_slot(self.slot(&held));
    }

    /// Whoever gets it has not made what was mapped with it.
    fn transfer(&mut self, at: usize, to: usize) {
        let (name, held) = self.pick(at);
        let (source, kernel) = (self.slot(&held), &mut self.world.kernel);
        let capability = kernel.processes[source.process].handles.get(held.handle).copied().expect("held");
        kernel.reserve_handles(self.actors[to].process, 1).expect("room");
        let arrived = kernel.insert_root(self.actors[to].process, capability);
        grant::replace(&mut kernel.processes, source, arrived);
        kernel.release_slot(source);
        self.held.insert(name, Held { holder: to, handle: kernel.handle_of(arrived), ..held });
        self.pages.values_mut().filter(|page| page.below == name).for_each(|page| page.is_own = false);
    }

    fn change(&mut self, method: u16, holder: usize, address: u64) {
        let data = [address, PAGE_BYTES, access::NONE.into()];
        let actor = self.actors[holder];
        let done = self.world.call_kernel(actor, self.spaces[holder], virtual_memory::ID, method, &data).0;
        let is_done = done.status == capos_abi::status::OK;
        match (method, self.pages.get_mut(&(holder, address))) {
            // What was revoked is reserved, and can be unmapped.
            (unmap::METHOD, _) => drop(self.pages.remove(&(holder, address))),
            (hold::METHOD, Some(page)) if is_done => page.is_held = true,
            (_, page) => assert_eq!(page.is_some(), is_done),
        }
    }

    fn check(&mut self) {
        for (at, &actor) in self.actors.iter().enumerate() {
            let expected = self.pages.keys().filter(|(holder, _)| *holder == at).map(|(_, address)| *address);
            assert_eq!(mapped_pages(&self.world, actor), expected.collect());
        }
        audit::check(&self.world);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mappings_agree_with_the_model(steps in proptest::collection::vec(step(), 1..80)) {
        let mut model = Model::new();
        for step in steps {
            model.apply(step);
            model.check();
        }
        for actor in model.actors {
            model.world.kernel.end_process(actor.process, Outcome::Killed);
            model.world.settle();
            audit::check(&model.world);
        }
    }
}

/// An owner and a user who has mapped a copy thousands of times.
fn crowd(world: &mut World) -> (Actor, u64, Actor, u64) {
    let (owner, user) = (world.actor("owner", PLENTY), world.actor("user", Amounts::new([12_000, 4000, 200, 16])));
    let object = memory(world, owner, PAGE_BYTES);
    let copy = world.copy(owner, object, user);
    let space = space(world, user);
    for _ in 0..MAPPINGS {
        world.map_at(user, space, copy, 0, PAGE_BYTES, access::READ).expect("room");
    }
    (owner, object, user, copy)
}

/// Revokes in steps, each of which unmaps so many pages at most.
fn revoke_in_steps(world: &mut World, owner: Actor, object: u64, user: Actor) {
    let slot = SlotRef { process: owner.process, index: object as u32 };
    let mut before = mapped_pages(world, user).len();
    assert_eq!(before, MAPPINGS);
    loop {
        world.kernel.begin_stay(0);
        let done = world.kernel.revoke_step(slot);
        let now = mapped_pages(world, user).len();
        assert!(before - now <= MAPPINGS_IN_A_STAY, "{before} before, {now} now");
        before = now;
        if done {
            return assert_eq!(before, 0);
        }
    }
}

#[test]
fn mappings_by_the_thousand_are_revoked_in_steps() {
    let mut world = World::new();
    let (owner, object, user, _) = crowd(&mut world);
    revoke_in_steps(&mut world, owner, object, user);
}

#[test]
fn what_was_mapped_with_a_copy_that_is_gone_is_revoked_too() {
    let mut world = World::new();
    let (owner, object, user, copy) = crowd(&mut world);
    world.run(user, Submission { op: op::RELEASE, handle: copy, ..Submission::default() });
    revoke_in_steps(&mut world, owner, object, user);
}

#[test]
fn what_the_holder_of_a_revoked_capability_has_mapped_with_it_stays() {
    let mut world = World::new();
    let owner = world.actor("owner", PLENTY);
    let (manager, object) = (manager(&mut world, owner), memory(&mut world, owner, PAGE_BYTES));
    let address = world.map(owner, object, PAGE_BYTES, access::READ).expect("mapped");
    world.copy(owner, object, owner);
    revoke(&mut world, owner, manager, object);
    assert_eq!(mapped_pages(&world, owner), BTreeSet::from([address]));
    assert!(world.kernel.processes[owner.process].handles.get(object).is_some_and(|c| c.offers(memory_object::ID)));
}
