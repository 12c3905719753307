//! Who is refused for want of something learns of what, by which ledger, how much it asked for and how much is left.
use super::audit;
use super::world::{Actor, PLENTY, World, endless_ledger};
use crate::authority::capability::Object;
use crate::authority::handle::{HandleTable, MAX_SLOTS};
use crate::execution::stay::Stay;
use crate::heap::{Payer, allocate};
use crate::ipc::operation::Refusal;
use crate::ledger::{Amounts, Ledger, OBJECT_BYTES, Resource};
use crate::memory::range::{FIRST_ADDRESS, Kind, MAX_RANGES, RangeMap};
use crate::platform::Registers;
use crate::slab::Slab;
use crate::table::Table;
use capos_abi::interface::{ledger, virtual_memory};
use capos_abi::ring::Completion;
use capos_abi::status;
use capos_abi::status::exhausted::{LEDGER_MASK, MACHINE, REQUESTED_SHIFT, RESOURCE_SHIFT};
use capos_abi::status::resource::{FRAMES, HANDLES, KERNEL_MEMORY, OBJECTS, RANGES, THREADS};

const PAGE: u64 = capos_abi::PAGE_BYTES;

/// What a refusal says: resource, number of the ledger, what was asked for, what remains.
pub type Said = (u8, u32, u64, u64);

/// What a completion says that was refused for want of something.
pub fn said(done: &Completion) -> Said {
    said_by(Refusal { status: done.status, bytes: done.bytes, value: done.value })
}

fn said_by(refusal: Refusal) -> Said {
    assert_eq!(refusal.status, status::EXHAUSTED);
    let (requested, remaining) = (refusal.value >> REQUESTED_SHIFT, refusal.value & ((1 << REQUESTED_SHIFT) - 1));
    assert!(remaining < requested, "{remaining} would do for {requested}");
    ((refusal.bytes >> RESOURCE_SHIFT) as u8, refusal.bytes & LEDGER_MASK, requested, remaining)
}

/// What a ledger may use, what is asked of it, and what it says: resource, what was asked for, what remains.
type Case<'a> = (Amounts, u16, &'a [u64], (u8, u64, u64));

/// The number that an actor's ledger tells of itself.
fn number(world: &mut World, actor: Actor, ledger: u64) -> u32 {
    let (_, words) = world.call_kernel(actor, ledger, ledger::ID, ledger::inspect::METHOD, &[]);
    let field = ledger::inspect::results::NUMBER;
    (words[1 + field.offset as usize / 8] >> (field.offset % 8 * 8)) as u32
}

#[test]
fn an_object_is_charged_together_with_the_kernel_memory_that_it_takes() {
    let mut ledgers = Slab::new();
    let amounts = Amounts([0, 0, 9, 0, 2 * OBJECT_BYTES + 5]);
    let ledger = Ledger::root(&mut ledgers, amounts).map(|id| &mut ledgers[id]).expect("heap");
    assert!(ledger.charge(Resource::Objects, 2).is_ok());
    let used = *ledger.used();
    let refusal = ledger.charge(Resource::Objects, 1).expect_err("too little is left");
    assert_eq!((refusal.resource, refusal.requested, refusal.remaining), (KERNEL_MEMORY, OBJECT_BYTES, 5));
    assert_eq!(*ledger.used(), used, "a refusal changes nothing");
}

#[test]
fn a_ledger_gives_no_more_kernel_memory_away_than_it_has() {
    let mut ledgers = Slab::new();
    let parent = Ledger::root(&mut ledgers, Amounts([0, 0, 0, 0, 100])).expect("heap");
    let kernel_memory = |bytes| Amounts([0, 0, 0, 0, bytes]);
    Ledger::child(&mut ledgers, parent, kernel_memory(60)).expect("that much is there");
    let refusal = Ledger::child(&mut ledgers, parent, kernel_memory(41)).expect_err("one byte too many");
    assert_eq!(said_by(refusal), (KERNEL_MEMORY, ledgers[parent].number(), 41, 40));
    Ledger::child(&mut ledgers, parent, kernel_memory(40)).expect("all of it");
}

#[test]
fn what_cannot_be_held_is_not_charged() {
    let mut world = World::new();
    let user = world.actor("user", PLENTY);
    let (own, space) = (world.ledger(user), world.give(user, Object::VirtualMemory(user.process), virtual_memory::ID));
    let payer = world.kernel.processes[user.process].ledger;
    let [small, large] = [PAGE, 64 * PAGE].map(|bytes| {
        let made = world.call_kernel(user, own, ledger::ID, ledger::create_memory_object::METHOD, &[bytes]).1[0];
        let address = world.map(user, made, bytes, virtual_memory::access::READ_WRITE).expect("room");
        world.touch(user, address + bytes - PAGE);
        [address, bytes]
    });
    let hold = |world: &mut World, span: &[u64]| {
        world.call_kernel(user, space, virtual_memory::ID, virtual_memory::hold::METHOD, span).0
    };
    assert_eq!(hold(&mut world, &small).status, status::OK);
    let (limits, used) = (*world.kernel.ledgers[payer].limits(), *world.kernel.ledgers[payer].used());
    let rest = limits.of(Resource::KernelMemory) - used.of(Resource::KernelMemory);
    world.kernel.ledgers[payer].charge(Resource::KernelMemory, rest).expect("all of it");
    assert_eq!(said(&hold(&mut world, &large)).0, KERNEL_MEMORY);
    world.kernel.ledgers[payer].refund(Resource::KernelMemory, rest);
    assert_eq!(*world.kernel.ledgers[payer].used(), used);
}

#[test]
fn each_resource_of_a_ledger_is_named_with_request_and_remainder() {
    // The actor itself takes a thread, an object, a handle for its ledger, 16 frames for its ring and 2 for page tables.
    let cases: [Case<'_>; 6] = [
        (Amounts::new([20, 9, 9, 4]), ledger::create_memory_object::METHOD, &[64 * PAGE], (FRAMES, 64, 2)),
        (Amounts::new([18, 9, 9, 4]), ledger::create_process::METHOD, &[], (FRAMES, 1, 0)),
        (Amounts::new([20, 1, 9, 4]), ledger::create_notification::METHOD, &[], (HANDLES, 1, 0)),
        (Amounts::new([20, 2, 9, 4]), ledger::create_process::METHOD, &[], (HANDLES, 2, 1)),
        (Amounts::new([20, 9, 1, 4]), ledger::create_endpoint::METHOD, &[], (OBJECTS, 1, 0)),
        (Amounts::new([20, 9, 9, 4]), ledger::create_ledger::METHOD, &[0, 0, 0, 7], (THREADS, 7, 3)),
    ];
    for (limits, method, data, (resource, requested, remaining)) in cases {
        let mut world = World::new();
        let actor = world.actor("poor", limits);
        let own = world.ledger(actor);
        let ledger = number(&mut world, actor, own);
        let before = world.footprint();
        let (refused, _) = world.call_kernel(actor, own, ledger::ID, method, data);
        assert_eq!(said(&refused), (resource, ledger, requested, remaining), "method {method}");
        assert_eq!(world.footprint(), before, "what is refused leaves nothing behind");
        audit::check(&world);
    }
}

#[test]
fn a_thread_too_many_is_named() {
    let mut world = World::new();
    let actor = world.actor("poor", Amounts::new([100, 9, 9, 1]));
    let ledger = world.kernel.processes[actor.process].ledger;
    let refused = world.kernel.new_thread(ledger, actor.process, Registers::default(), 16 << 10).expect_err("full");
    assert_eq!(said_by(refused), (THREADS, world.kernel.ledgers[ledger].number(), 1, 0));
}

#[test]
fn the_ledger_that_refuses_is_named_and_no_other() {
    let mut world = World::new();
    let actor = world.actor("rich", PLENTY);
    let own = world.ledger(actor);
    let made = world.call_kernel(actor, own, ledger::ID, ledger::create_ledger::METHOD, &[9, 9, 1, 1]).1;
    let below = made[0];
    let (mine, its) = (number(&mut world, actor, own), number(&mut world, actor, below));
    assert_ne!(mine, its);
    assert_eq!(
        world.call_kernel(actor, below, ledger::ID, ledger::create_notification::METHOD, &[]).0.status,
        status::OK
    );
    let (refused, _) = world.call_kernel(actor, below, ledger::ID, ledger::create_notification::METHOD, &[]);
    assert_eq!(said(&refused), (OBJECTS, its, 1, 0));
    let (refused, _) = world.call_kernel(actor, own, ledger::ID, ledger::create_ledger::METHOD, &[5000, 0, 0, 0]);
    let (_, ledger, requested, _) = said(&refused);
    assert_eq!((ledger, requested), (mine, 5000));
}

#[test]
fn the_machine_is_named_where_no_ledger_refuses() {
    let mut world = World::new();
    let actor = world.actor("rich", PLENTY);
    let own = world.ledger(actor);
    let others = world.kernel.frames.available() - 200;
    world.kernel.frames.reserve(others).expect("there are so many");
    let data = [500 * PAGE];
    let (refused, _) = world.call_kernel(actor, own, ledger::ID, ledger::create_memory_object::METHOD, &data);
    let (resource, ledger, requested, _) = said(&refused);
    assert_eq!((resource, ledger, requested), (FRAMES, MACHINE, 500));
}

#[test]
fn tables_that_are_as_large_as_they_may_be_are_named() {
    let (mut ledgers, ledger) = endless_ledger();
    let refused = HandleTable::new().reserve(MAX_SLOTS + 1, &mut ledgers[ledger]).expect_err("too many");
    assert_eq!(said_by(refused), (HANDLES, MACHINE, u64::from(MAX_SLOTS) + 1, MAX_SLOTS.into()));
    let mut ranges = RangeMap::new();
    let refused = (0..).find_map(|index| {
        let start = FIRST_ADDRESS + index * 2 * PAGE;
        let payer = Payer { ledgers: &mut ledgers, ledger, stay: &mut Stay::default() };
        ranges.prepare(start, payer).map(|()| ranges.set(start, start + PAGE, Kind::Reserved)).err()
    });
    assert_eq!(said_by(refused.expect("a map is full in the end")), (RANGES, MACHINE, 2, 1));
    assert_eq!(ranges.iter().count(), MAX_RANGES - 1);
}

#[test]
fn the_kernels_own_memory_is_named() {
    const MORE: usize = 1 << 60;
    let (mut ledgers, ledger) = endless_ledger();
    let refused = allocate::<u64>(MORE, &mut ledgers[ledger]).expect_err("no machine has so much");
    assert_eq!(said_by(refused), (KERNEL_MEMORY, MACHINE, u32::MAX.into(), 0));
    let refused = Table::<[u64; MORE >> 5]>::new().reserve_at(1, &mut ledgers[ledger]).expect_err("nor for a table");
    assert_eq!(said_by(refused), (KERNEL_MEMORY, MACHINE, u32::MAX.into(), 0));
    assert_eq!(*ledgers[ledger].used(), Amounts::default(), "what there is no room for is not charged");
}

#[test]
fn who_uses_up_its_kernel_memory_takes_none_from_others() {
    let mut world = World::new();
    let limits = Amounts::new([20, 9, 9, 1]);
    let (greedy, other) = (world.actor("greedy", limits), world.actor("other", limits));
    let ledger = world.kernel.ledgers[world.kernel.processes[greedy.process].ledger].number();
    let space =
        |world: &mut World, actor: Actor| world.give(actor, Object::VirtualMemory(actor.process), virtual_memory::ID);
    let (its, others) = (space(&mut world, greedy), space(&mut world, other));
    // Every second page, so that each is a range of its own.
    let change = |world: &mut World, actor, space, method, page: u64| {
        let place = 0x10_0000_0000 + 2 * page * PAGE;
        let data = if method == virtual_memory::reserve::METHOD { [PAGE, place] } else { [place, PAGE] };
        world.call_kernel(actor, space, virtual_memory::ID, method, &data).0
    };
    let (reserve, unmap) = (virtual_memory::reserve::METHOD, virtual_memory::unmap::METHOD);
    let (full, refused) = (0..)
        .map(|page| (page, change(&mut world, greedy, its, reserve, page)))
        .find(|(_, done)| done.status != status::OK)
        .expect("kernel memory has an end");
    let (resource, named, ..) = said(&refused);
    assert_eq!((resource, named), (KERNEL_MEMORY, ledger));
    assert_eq!(change(&mut world, other, others, reserve, 0).status, status::OK, "others have theirs");
    audit::check(&world);
    for page in 0..full {
        assert_eq!(change(&mut world, greedy, its, unmap, page).status, status::OK, "giving back needs nothing");
    }
    assert_eq!(change(&mut world, greedy, its, reserve, full).status, status::OK);
}

#[test]
fn figures_that_are_too_large_stand_as_their_largest_value() {
    let mut world = World::new();
    let actor = world.actor("poor", PLENTY);
    let own = world.ledger(actor);
    let (refused, _) = world.call_kernel(actor, own, ledger::ID, ledger::create_ledger::METHOD, &[1 << 40, 0, 0, 0]);
    let (resource, _, requested, remaining) = said(&refused);
    assert_eq!((resource, requested), (FRAMES, u32::MAX.into()));
    assert!(remaining < 2000);
}
