//! The books against what is really there: every charge of every ledger is for something that exists, and every frame that is set
//! aside for a page that nobody has touched.
use super::world::World;
use crate::execution::thread::State;
use crate::heap;
use crate::ipc::record::Record;
use crate::ledger::{Amounts, Ledger, OBJECT_BYTES, RESOURCES, Resource, THREAD_BYTES};
use crate::memory::range::Kind;
use crate::memory::{Backing, MemoryObject};
use crate::slab::{Id, Slab};
use capos_abi::PAGE_BYTES;
use std::collections::BTreeMap;

/// What each ledger pays for, by index of the ledger.
#[derive(Default)]
struct Held(BTreeMap<u32, [u64; RESOURCES]>);

impl Held {
    fn add(&mut self, ledger: Id<Ledger>, resource: Resource, amount: u64) {
        self.0.entry(ledger.index()).or_default()[resource as usize - 1] += amount;
    }

    /// An object, with the kernel memory that its lists hold.
    fn add_object(&mut self, ledger: Id<Ledger>, list_bytes: u64) {
        self.add(ledger, Resource::Objects, 1);
        self.add(ledger, Resource::KernelMemory, OBJECT_BYTES + list_bytes);
    }

    fn add_memory(&mut self, ledger: Id<Ledger>, object: &MemoryObject) {
        self.add(ledger, Resource::Frames, object.pages());
        self.add(ledger, Resource::KernelMemory, object.list_bytes());
    }
}

/// Everything of a slab.
fn all<T>(slab: &Slab<T>) -> impl Iterator<Item = (Id<T>, &T)> {
    (0..slab.slots()).filter_map(|index| slab.id_at(index)).map(|id| (id, &slab[id]))
}

/// Compares every ledger with what it pays for. Nothing may be half put away.
pub fn check(world: &World) {
    let k = &world.kernel;
    let mut held = Held::default();
    for (_, process) in all(&k.processes) {
        let committed = process.ranges.iter().filter(|range| matches!(range.kind, Kind::Committed(_)));
        let pages: u64 = committed.map(|range| range.pages()).sum();
        held.add(process.ledger, Resource::Frames, pages + process.tables.len() as u64);
        held.add(process.ledger, Resource::Handles, u64::from(process.handles.used() + process.handles.reserved()));
        held.add(process.ledger, Resource::KernelMemory, process.held());
        process.holds.objects().for_each(|object| held.add_memory(process.ledger, &k.memory[object]));
        if process.charged {
            held.add_object(process.ledger, 0);
        }
    }
    for (_, thread) in all(&k.threads).filter(|(_, thread)| thread.charged) {
        let pools = thread.ring.tags().map(|tag| match thread.ring.record(tag) {
            Record::Receive(receive) => heap::held(&receive.slots),
            _ => 0,
        });
        let bytes = THREAD_BYTES + thread.held() + pools.sum::<u64>();
        held.add(thread.ledger, Resource::Threads, 1);
        held.add(thread.ledger, Resource::KernelMemory, bytes);
        if thread.state != State::Ended {
            held.add(thread.ledger, Resource::Frames, u64::from(thread.ring.area_bytes) / PAGE_BYTES);
        }
    }
    for (ledger, object) in all(&k.memory).filter_map(|(_, object)| Some((object.ledger?, object))) {
        held.add_object(ledger, 0);
        held.add_memory(ledger, object);
    }
    let sessions = (0..k.sessions.places()).filter_map(|place| k.sessions.id_at(place)).map(|id| &k.sessions[id]);
    let others = (all(&k.endpoints).map(|(_, it)| (it.ledger, it.held())))
        .chain(all(&k.notifications).map(|(_, it)| (it.ledger, it.bits.held())))
        .chain(all(&k.contexts).map(|(_, it)| (it.ledger, 0)))
        .chain(sessions.map(|it| (it.ledger, 0)));
    others
        .filter_map(|(ledger, bytes)| Some((ledger?, bytes)))
        .for_each(|(ledger, bytes)| held.add_object(ledger, bytes));
    for (_, child) in all(&k.ledgers) {
        if let Some(parent) = child.parent() {
            held.add_object(parent, 0);
            let limits = held.0.entry(parent.index()).or_default();
            limits.iter_mut().zip(child.limits().0).for_each(|(sum, limit)| *sum += limit);
        }
    }
    for (id, ledger) in all(&k.ledgers) {
        let really = Amounts(held.0.get(&id.index()).copied().unwrap_or_default());
        assert_eq!(*ledger.used(), really, "ledger {id:?} of {:?}", world.root);
    }
    assert_eq!(k.frames.free_frames() - k.frames.available(), untouched(world), "frames that are set aside");
}

/// Pages that somebody pays for and nobody has touched: a frame is set aside for each.
fn untouched(world: &World) -> u64 {
    let k = &world.kernel;
    let private = all(&k.processes).map(|(_, process)| {
        let committed = process.ranges.iter().filter(|range| matches!(range.kind, Kind::Committed(_)));
        let pages = committed.flat_map(|range| (range.start..range.end).step_by(PAGE_BYTES as usize));
        let is_touched = |page| process.space.is_some_and(|space| k.platform.pages.contains_key(&(space.0.0, page)));
        pages.filter(|page| !is_touched(*page)).count() as u64
    });
    let objects = all(&k.memory).filter(|(_, object)| matches!(object.backing, Backing::Anonymous(_)));
    let shared =
        objects.map(|(_, object)| (0..object.pages()).filter(|page| object.frame(*page).is_none()).count() as u64);
    private.sum::<u64>() + shared.sum::<u64>()
}
