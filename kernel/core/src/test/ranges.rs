//! Address maps of tens of thousands of ranges and memory objects of gigabytes: whatever changes them goes in steps.
use super::audit;
use super::world::{Actor, World};
use crate::authority::capability::Object;
use crate::execution::process::Outcome;
use crate::execution::stay::{STAY_BUDGET, Seen};
use crate::ledger::Amounts;
use crate::memory::range::{Kind, Piece};
use crate::memory::{Access, MAX_OBJECT_BYTES};
use capos_abi::interface::ledger;
use capos_abi::interface::virtual_memory::{self, access, commit, decommit, hold, protect, reserve, unmap};
use capos_abi::ring::{Submission, op};
use capos_abi::status;

const PAGE: u64 = 4096;
/// Where the ranges begin.
const START: u64 = 0x2_0000_0000;
const RANGES: u64 = 20_000;
/// What the step may cost that ends a stay, by estimate.
const LAST_STEP: i64 = 4_000;
const WEALTH: Amounts = Amounts::new([14_000, 12_000, 12_000, 16]);

/// A process with a capability to its addresses.
pub(super) struct Owner {
    pub world: World,
    pub actor: Actor,
    pub space: u64,
}

impl Owner {
    fn new() -> Self {
        Self::of(World::new(), WEALTH)
    }

    pub fn of(mut world: World, limits: Amounts) -> Self {
        let actor = world.actor("a", limits);
        let space = world.give(actor, Object::VirtualMemory(actor.process), virtual_memory::ID);
        Self { world, actor, space }
    }

    fn call(&mut self, method: u16, data: &[u64]) {
        let (done, _) = self.world.call_kernel(self.actor, self.space, virtual_memory::ID, method, data);
        assert_eq!(done.status, status::OK, "method {method}");
    }

    /// As [`Self::call`], which takes so many stays at least.
    fn call_in_steps(&mut self, method: u16, data: &[u64], stays: u32) {
        in_steps(self, stays, |owner| owner.call(method, data));
    }

    fn memory(&mut self, bytes: u64) -> u64 {
        let paying = self.world.ledger(self.actor);
        let method = ledger::create_memory_object::METHOD;
        let (made, words) = self.world.call_kernel(self.actor, paying, ledger::ID, method, &[bytes]);
        assert_eq!(made.status, status::OK);
        self.release(paying);
        words[0]
    }

    fn release(&mut self, handle: u64) {
        self.world.run(self.actor, Submission { op: op::RELEASE, handle, ..Submission::default() });
    }

    fn map(&mut self, memory: u64, index: u64) {
        let (address, access) = (START + index * PAGE, access::READ_WRITE);
        assert_eq!(self.world.map_at(self.actor, self.space, memory, address, PAGE, access), Ok(address));
    }

    fn kinds(&self) -> impl Iterator<Item = Kind> {
        self.world.kernel.processes[self.actor.process].ranges.iter_from(START).map(|range| range.kind)
    }
}

/// That something takes so many stays at least, none of which is long.
#[track_caller]
fn in_steps(owner: &mut Owner, stays: u32, what: impl FnOnce(&mut Owner)) {
    owner.world.kernel.stay.seen = Seen::default();
    what(owner);
    check_stays(&owner.world, stays);
}

/// That it took so many stays at least, none of which was long.
#[track_caller]
pub(super) fn check_stays(world: &World, stays: u32) {
    let Seen { stays: took, least } = world.kernel.stay.seen;
    assert!(took >= stays, "{took} stays");
    assert!(least > -LAST_STEP, "a stay spent {} of {STAY_BUDGET}", i64::from(STAY_BUDGET) - least);
}

/// A page of memory, mapped at neighbouring addresses.
fn mapped() -> Owner {
    let mut owner = Owner::new();
    let memory = owner.memory(PAGE);
    (0..RANGES).for_each(|index| owner.map(memory, index));
    assert_eq!(owner.kinds().count() as u64, RANGES);
    owner
}

#[test]
fn tens_of_thousands_of_mappings_change_in_steps() {
    let mut owner = mapped();
    let bytes = RANGES * PAGE;
    let read = u64::from(access::READ);
    owner.call_in_steps(protect::METHOD, &[START, bytes, read], 1000);
    assert!(owner.kinds().all(|kind| matches!(kind, Kind::Mapped { access: Access::Read, .. })));
    owner.call_in_steps(hold::METHOD, &[START, bytes], 1000);
    assert!(owner.kinds().all(|kind| matches!(kind, Kind::Mapped { piece: Piece { held: true, .. }, .. })));
    // One that must not change, at the end: nothing does.
    let refused =
        owner.world.call_kernel(owner.actor, owner.space, virtual_memory::ID, decommit::METHOD, &[START, bytes]);
    assert_eq!(refused.0.status, status::BAD_STATE);
    owner.call_in_steps(unmap::METHOD, &[START, bytes], 1000);
    assert_eq!(owner.kinds().count(), 0);
    audit::check(&owner.world);
}

#[test]
fn ten_thousand_ranges_are_decommitted_in_steps() {
    let mut owner = Owner::new();
    let pages = RANGES / 2;
    owner.call(reserve::METHOD, &[pages * PAGE, START]);
    for page in 0..pages {
        let access = [access::READ, access::READ_WRITE][page as usize % 2];
        owner.call(commit::METHOD, &[START + page * PAGE, PAGE, access.into()]);
    }
    assert_eq!(owner.kinds().count() as u64, pages);
    (0..pages).step_by(100).for_each(|page| owner.world.touch(owner.actor, START + (page + 1) * PAGE));
    owner.call_in_steps(decommit::METHOD, &[START, pages * PAGE], 1000);
    assert_eq!(owner.kinds().collect::<Vec<_>>(), [Kind::Reserved]);
    audit::check(&owner.world);
}

#[test]
fn thousands_of_objects_are_held_in_steps() {
    const OBJECTS: u64 = 5_000;
    let mut owner = Owner::new();
    for index in 0..OBJECTS {
        let memory = owner.memory(PAGE);
        owner.map(memory, index);
    }
    owner.call_in_steps(hold::METHOD, &[START, OBJECTS * PAGE], 300);
    audit::check(&owner.world);
    owner.call_in_steps(unmap::METHOD, &[START, OBJECTS * PAGE], 300);
    audit::check(&owner.world);
}

#[test]
fn a_process_with_tens_of_thousands_of_ranges_ends_in_steps() {
    let mut owner = mapped();
    let process = owner.actor.process;
    in_steps(&mut owner, 1000, |owner| {
        owner.world.kernel.end_process(process, Outcome::Killed);
        owner.world.settle();
    });
    assert!(owner.world.kernel.processes.get(process).is_none());
    audit::check(&owner.world);
}

#[test]
fn a_memory_object_of_gigabytes_is_made_listed_and_ended_in_steps() {
    let pages = MAX_OBJECT_BYTES / PAGE;
    let mut owner = Owner::of(World::with_frames(2 * pages), Amounts::new([pages + 4000, 100, 100, 16]));
    let free = owner.world.kernel.frames.available();
    let mut memory = 0;
    in_steps(&mut owner, 1, |owner| memory = owner.memory(MAX_OBJECT_BYTES));
    let mapped = owner.world.map(owner.actor, memory, MAX_OBJECT_BYTES, access::READ_WRITE).expect("room");
    let last = mapped + MAX_OBJECT_BYTES - PAGE;
    let object = owner.world.kernel.memory.id_at(0).expect("the object");
    // The program touches the page until it is there.
    in_steps(&mut owner, 500, |owner| {
        while owner.world.kernel.memory[object].frame(pages - 1).is_none() {
            owner.world.touch(owner.actor, last);
        }
    });
    in_steps(&mut owner, 1000, |owner| {
        owner.call(unmap::METHOD, &[mapped, MAX_OBJECT_BYTES]);
        owner.release(memory);
        owner.world.settle();
    });
    let tables = owner.world.kernel.processes[owner.actor.process].tables.len() as u64;
    assert!(owner.world.kernel.memory.get(object).is_none());
    assert!(free - owner.world.kernel.frames.available() <= tables);
    audit::check(&owner.world);
}
