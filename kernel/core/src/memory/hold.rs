//! Who refers to a memory object by mapping it, and who holds it.
//!
//! A process that holds an object pays for it like the ledger that it was made by. Its mappings of it survive that ledger and the
//! capability that they were made with, so nobody's server faults because a client took its memory back.
use crate::Kernel;
use crate::authority::capability::Object;
use crate::execution::process::Process;
use crate::heap::Payer;
use crate::ipc::operation::Refusal;
use crate::ledger::{Exhausted, Ledger, Resource};
use crate::lifecycle::chore::Chore;
use crate::memory::range::Piece;
use crate::memory::tree::{Interval, Place, Tree};
use crate::memory::{Backing, MemoryObject};
use crate::platform::Platform;
use crate::slab::Id;

/// A memory object that a process holds.
#[derive(Clone, Copy)]
struct Hold {
    object: Id<MemoryObject>,
    /// Pieces of mappings of it.
    pieces: u32,
}

/// By the object's index.
impl Interval for Hold {
    fn start(&self) -> u64 {
        self.object.index().into()
    }

    fn end(&self) -> u64 {
        self.start() + 1
    }
}

/// The memory objects that a process holds.
pub struct Holds(Tree<Hold>);

impl Holds {
    /// None.
    pub const fn new() -> Self {
        Self(Tree::new())
    }

    /// All of them.
    #[cfg(test)]
    pub fn objects(&self) -> impl Iterator<Item = Id<MemoryObject>> {
        self.0.iter_from(self.0.place_of(0)).map(|hold| hold.object)
    }

    /// Makes room for one more.
    fn prepare(&mut self, object: Id<MemoryObject>, payer: Payer<'_>) -> Result<(), Refusal> {
        self.0.reserve(object.index().into(), 1, payer)
    }

    /// One of which a piece is held. [`Self::prepare`] came before.
    fn insert(&mut self, object: Id<MemoryObject>) {
        self.0.insert(self.0.place_of(object.index().into()), Hold { object, pieces: 1 });
    }

    /// One more piece is held, if the object is.
    fn add_piece(&mut self, object: Id<MemoryObject>) -> bool {
        let place = self.find(object);
        place.map(|place| self.0.update(place, |hold| hold.pieces += 1)).is_some()
    }

    /// One piece less is held; whether it was the last one.
    fn remove_piece(&mut self, object: Id<MemoryObject>) -> bool {
        let Some(place) = self.find(object) else { return false };
        self.0.update(place, |hold| hold.pieces -= 1);
        let is_last = self.0.get(place).is_some_and(|hold| hold.pieces == 0);
        if is_last {
            self.0.remove(place);
            self.0.merge(place);
        }
        is_last
    }

    fn find(&self, object: Id<MemoryObject>) -> Option<Place> {
        let place = self.0.place_of(object.index().into());
        self.0.get(place).filter(|hold| hold.object == object).map(|_| place)
    }

    /// Gives some of their memory back, when nothing is held any more; whether there is more.
    pub fn free_some(&mut self, ledger: &mut Ledger) -> bool {
        self.0.free_leaf(ledger)
    }

    /// Bytes of the kernel's heap that they hold.
    pub fn held(&self) -> u64 {
        self.0.held()
    }
}

impl MemoryObject {
    /// Charges for its frames and the list of them once more.
    fn charge_to(&self, ledger: &mut Ledger) -> Result<(), Exhausted> {
        ledger.charge(Resource::Frames, self.pages())?;
        let listed = ledger.charge(Resource::KernelMemory, self.list_bytes());
        listed.inspect_err(|_| ledger.refund(Resource::Frames, self.pages()))
    }

    /// Takes such a charge back.
    pub(crate) fn refund_to(&self, ledger: &mut Ledger) {
        ledger.refund(Resource::Frames, self.pages());
        ledger.refund(Resource::KernelMemory, self.list_bytes());
    }
}

impl<P: Platform> Kernel<P> {
    /// Each piece of a mapping refers to its object, may be one through which that is written, and may be held.
    pub(crate) fn add_piece(&mut self, process: Id<Process>, Piece { object, writable, mapping, held }: Piece) {
        self.memory[object].writers += u32::from(writable);
        self.retain(Object::Memory(object));
        self.join_mapping(process, mapping);
        if held {
            self.processes[process].holds.add_piece(object);
        }
    }

    /// A piece of a mapping is gone.
    pub(crate) fn remove_piece(&mut self, process: Id<Process>, Piece { object, writable, mapping, held }: Piece) {
        self.memory[object].writers -= u32::from(writable);
        self.leave_mapping(process, mapping);
        if held && self.processes[process].holds.remove_piece(object) {
            self.drop_hold(process, object);
        }
        self.release(Object::Memory(object));
    }

    /// Charges a process for an object of which one more piece is held.
    pub(crate) fn hold_object(&mut self, process: Id<Process>, object: Id<MemoryObject>) -> Result<(), Refusal> {
        let entry = &mut self.processes[process];
        if entry.holds.add_piece(object) {
            return Ok(());
        }
        entry
            .holds
            .prepare(object, Payer { ledgers: &mut self.ledgers, ledger: entry.ledger, stay: &mut self.stay })?;
        self.memory[object].charge_to(&mut self.ledgers[entry.ledger])?;
        entry.holds.insert(object);
        self.memory[object].holders += 1;
        Ok(())
    }

    /// A process no longer holds an object.
    fn drop_hold(&mut self, process: Id<Process>, object: Id<MemoryObject>) {
        let ledger = self.processes[process].ledger;
        let memory = &mut self.memory[object];
        memory.holders -= 1;
        let is_over = memory.holders == 0 && memory.ledger.is_none() && matches!(memory.backing, Backing::Anonymous(_));
        memory.refund_to(&mut self.ledgers[ledger]);
        if is_over {
            self.chores.push(Chore::Memory(object));
        }
    }
}
