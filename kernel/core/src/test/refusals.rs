//! What is refused changes nothing, whatever runs out, and at whichever point.
use super::audit;
use super::world::{Actor, PLENTY, World};
use crate::authority::capability::Object;
use crate::ledger::{Ledger, Resource};
use crate::memory::frame::Frame;
use crate::slab::Id;
use capos_abi::PAGE_BYTES;
use capos_abi::interface::{ledger, process, virtual_memory};
use capos_abi::ring::MIN_AREA_BYTES;
use capos_abi::status;

/// Bytes of kernel memory between two attempts.
const STEP_BYTES: u64 = 200;
/// What a method may need at most, and more.
const ENOUGH: u64 = 64;
/// Frames of the machine.
const FRAMES: u64 = 2600;
/// Addresses that no test uses for anything else.
const PLACE: u64 = 0x10_0000_0000;

/// Somebody who makes things on a ledger of its own.
struct Maker {
    world: World,
    actor: Actor,
    ledger: Id<Ledger>,
    own: u64,
    space: u64,
    process: u64,
}

impl Maker {
    fn new() -> Self {
        let mut world = World::with_frames(FRAMES);
        let actor = world.actor("maker", PLENTY);
        let own = world.ledger(actor);
        let space = world.give(actor, Object::VirtualMemory(actor.process), virtual_memory::ID);
        let process = world.give(actor, Object::Process(actor.process), process::ID);
        let ledger = world.kernel.processes[actor.process].ledger;
        Self { world, actor, ledger, own, space, process }
    }

    fn make(&mut self, method: u16, data: &[u64]) -> i32 {
        self.world.call_kernel(self.actor, self.own, ledger::ID, method, data).0.status
    }

    /// A thread with the smallest ring.
    fn make_thread(&mut self) -> i32 {
        use ledger::create_thread::{METHOD, params};
        let ring_bytes = u64::from(MIN_AREA_BYTES) ^ params::RING_BYTES.default;
        // Data words of `createThread`: entry, stack pointer, thread pointer, argument, size of the ring.
        let data = [0, 0, 0, 0, ring_bytes];
        self.world.call_with(self.actor, self.own, ledger::ID, METHOD, self.process, &data).0.status
    }

    fn on_addresses(&mut self, method: u16, data: &[u64]) -> i32 {
        self.world.call_kernel(self.actor, self.space, virtual_memory::ID, method, data).0.status
    }

    /// What is charged and set aside, but for kernel memory and page tables: lists and tables that were made keep their size.
    fn account(&self) -> ([u64; 4], u64) {
        let used = self.world.kernel.ledgers[self.ledger].used();
        let tables = self.world.kernel.processes[self.actor.process].tables.len() as u64;
        let [frames, rest @ ..] =
            [Resource::Frames, Resource::Handles, Resource::Objects, Resource::Threads].map(|counted| used.of(counted));
        let [handles, objects, threads] = rest;
        ([frames - tables, handles, objects, threads], self.world.kernel.frames.available() + tables)
    }

    /// Tries with so little of a resource left on the ledger, then with more, until it is enough; every time before changes nothing.
    fn try_with_ever_more(&mut self, resource: Resource, attempt: fn(&mut Self) -> i32) {
        let step = if resource == Resource::KernelMemory { STEP_BYTES } else { 1 };
        for left in (0..ENOUGH).map(|tries| tries * step) {
            let before = self.account();
            let ledger = &mut self.world.kernel.ledgers[self.ledger];
            let rest = ledger.limits().of(resource) - ledger.used().of(resource) - left;
            ledger.charge(resource, rest).expect("it is left");
            let status = attempt(self);
            self.world.kernel.ledgers[self.ledger].refund(resource, rest);
            if status == status::OK {
                return;
            }
            assert_eq!(status, status::EXHAUSTED, "{left} of {resource:?}");
            assert_eq!(self.account(), before, "{left} of {resource:?}");
            self.world.settle();
            audit::check(&self.world);
        }
        panic!("{resource:?} never suffices");
    }

    /// The same with few free frames on the machine.
    fn try_with_ever_more_frames(&mut self, attempt: fn(&mut Self) -> i32) {
        for left in 0..2 * ENOUGH {
            let before = self.account();
            let frames = &mut self.world.kernel.frames;
            let taken: Vec<Frame> = (left..frames.available()).map(|_| frames.allocate().expect("free")).collect();
            let status = attempt(self);
            taken.into_iter().for_each(|frame| self.world.kernel.frames.free(frame));
            if status == status::OK {
                return;
            }
            assert_eq!(status, status::EXHAUSTED, "{left} frames");
            assert_eq!(self.account(), before, "{left} frames");
            audit::check(&self.world);
        }
        panic!("so many frames suffice");
    }
}

/// Everything that needs something.
const ATTEMPTS: [fn(&mut Maker) -> i32; 8] = [
    |maker| maker.make(ledger::create_notification::METHOD, &[]),
    |maker| maker.make(ledger::create_endpoint::METHOD, &[]),
    |maker| maker.make(ledger::create_memory_object::METHOD, &[40 * PAGE_BYTES]),
    |maker| maker.make(ledger::create_process::METHOD, &[]),
    |maker| maker.make(ledger::create_ledger::METHOD, &[1, 1, 1, 1]),
    Maker::make_thread,
    |maker| maker.on_addresses(virtual_memory::reserve::METHOD, &[PAGE_BYTES, PLACE]),
    |maker| {
        let access = virtual_memory::access::READ_WRITE.into();
        let reserved = maker.on_addresses(virtual_memory::reserve::METHOD, &[PAGE_BYTES, 2 * PLACE]);
        assert!([status::OK, status::BAD_STATE].contains(&reserved) || reserved == status::EXHAUSTED);
        match maker.on_addresses(virtual_memory::commit::METHOD, &[2 * PLACE, PAGE_BYTES, access]) {
            status::BAD_STATE => reserved,
            committed => committed,
        }
    },
];

#[test]
fn a_ledger_that_refuses_is_as_it_was() {
    for attempt in ATTEMPTS {
        let resources = [Resource::Handles, Resource::Objects, Resource::Frames, Resource::Threads];
        for resource in resources.into_iter().chain([Resource::KernelMemory]) {
            Maker::new().try_with_ever_more(resource, attempt);
        }
    }
}

#[test]
fn a_machine_that_refuses_is_as_it_was() {
    ATTEMPTS.into_iter().for_each(|attempt| Maker::new().try_with_ever_more_frames(attempt));
}

#[test]
fn a_thread_for_which_the_machine_has_no_context_leaves_nothing() {
    let mut maker = Maker::new();
    let before = maker.account();
    maker.world.kernel.platform.has_no_context = true;
    assert_eq!(maker.make_thread(), status::EXHAUSTED);
    assert_eq!(maker.account(), before);
    audit::check(&maker.world);
    maker.world.kernel.platform.has_no_context = false;
    assert_eq!(maker.make_thread(), status::OK);
}
