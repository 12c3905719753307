//! Mappings: what was mapped with a capability is derived from it, as a copy is.
//!
//! 1. What one `map` has put into an address map is a mapping, and a node of the grant tree. Whoever pays for the address map pays for
//!    it, too.
//! 2. It may be cut into pieces, all within its addresses; with the last of them it goes.
//! 3. What is held belongs to no mapping.
//! 4. Mappings hang behind the copies of the capability that they were made with: from the first one that its present holder has made
//!    to the last, all are that holder's own.
use crate::Kernel;
use crate::authority::grant::{self, Links, Node};
use crate::authority::handle::SlotRef;
use crate::execution::process::Process;
use crate::execution::stay::cost;
use crate::ipc::operation::Refusal;
use crate::ledger::Ledger;
use crate::platform::Platform;
use crate::slab::{Id, Slab};
use capos_abi::handle::Handle;

/// One mapping.
pub struct Mapping {
    /// Its addresses; before them nothing is left of it.
    start: u64,
    end: u64,
    pieces: u32,
    /// Who made it, with which handle.
    made_with: (Id<Process>, Handle),
    /// Position in the grant tree.
    pub links: Links,
}

#[cfg(test)]
impl Mapping {
    /// How many ranges are a piece of it.
    pub fn pieces(&self) -> u32 {
        self.pieces
    }
}

/// The mappings in the address map of a process, by place.
pub struct Mappings {
    all: Slab<Mapping>,
}

impl Mappings {
    /// No mappings.
    pub const fn new() -> Self {
        Self { all: Slab::new() }
    }

    /// The mapping in a place.
    pub fn get(&self, place: u32) -> Option<&Mapping> {
        self.all.at(place)
    }

    /// The mapping in a place.
    pub fn get_mut(&mut self, place: u32) -> Option<&mut Mapping> {
        self.all.at_mut(place)
    }

    /// Gives the memory of an empty table back.
    pub fn free(&mut self, ledger: &mut Ledger) {
        self.all.free(ledger);
    }

    /// Bytes of the kernel's heap that it holds.
    pub fn held(&self) -> u64 {
        self.all.held()
    }
}

impl<P: Platform> Kernel<P> {
    /// Adds a mapping without pieces, made in this process with the capability in `slot`; its place.
    pub(crate) fn add_mapping(
        &mut self,
        slot: SlotRef,
        process: Id<Process>,
        (start, end): (u64, u64),
    ) -> Result<u32, Refusal> {
        let made_with = (slot.process, self.handle_of(slot));
        let mapper = &mut self.processes[process];
        mapper.mappings.all.prepare_at(&mut self.ledgers[mapper.ledger])?;
        let place =
            mapper.mappings.all.insert(Mapping { start, end, pieces: 0, made_with, links: Links::ROOT })?.index();
        grant::insert_last(&mut self.processes, slot, Node::mapping(process, place));
        Ok(place)
    }

    /// A mapping has one more piece.
    pub(crate) fn join_mapping(&mut self, process: Id<Process>, place: Option<u32>) {
        if let Some(mapping) = place.and_then(|place| self.processes[process].mappings.get_mut(place)) {
            mapping.pieces += 1;
        }
    }

    /// A mapping has lost a piece; it goes with the last one.
    pub(crate) fn leave_mapping(&mut self, process: Id<Process>, place: Option<u32>) {
        let Some(place) = place else { return };
        let mappings = &mut self.processes[process].mappings;
        let Some(mapping) = mappings.get_mut(place) else { return };
        mapping.pieces -= 1;
        if mapping.pieces == 0 {
            self.stay.spend(cost::UNMAPPED);
            grant::unlink(&mut self.processes, Node::mapping(process, place));
            self.processes[process].mappings.all.remove_at(place);
        }
    }

    /// Whether a mapping was made by the holder of this capability with it.
    pub(crate) fn is_mapped_with(&self, process: Id<Process>, place: u32, slot: SlotRef) -> bool {
        let mapping = self.processes[process].mappings.get(place);
        mapping.is_some_and(|mapping| mapping.made_with == (slot.process, self.handle_of(slot)))
    }

    /// Unmaps all pieces of a mapping, as far as the stay allows; whether none is left.
    pub(crate) fn end_mapping(&mut self, process: Id<Process>, place: u32) -> bool {
        while !self.stay.is_over() {
            let mapper = &mut self.processes[process];
            let Some(mapping) = mapper.mappings.get_mut(place) else { return true };
            self.stay.spend(cost::LOOK_UP);
            let Some(range) = mapper.ranges.first(mapping.start, mapping.end) else { return true };
            if range.kind.piece().is_none_or(|piece| piece.mapping != Some(place)) {
                mapping.start = range.end;
            } else {
                self.unmap_piece(process, &range);
            }
        }
        self.processes[process].mappings.get(place).is_none()
    }
}
