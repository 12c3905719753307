//! The address-range map of a process: what its addresses stand for.
use crate::execution::thread::Thread;
use crate::heap::Payer;
use crate::ipc::operation::Refusal;
use crate::ledger::{Exhausted, Ledger};
use crate::memory::tree::{Interval, LEAF_ITEMS, Place, Tree};
use crate::memory::{Access, MemoryObject};
use crate::slab::Id;
use capos_abi::status::resource;

/// First address that a process can use.
pub const FIRST_ADDRESS: u64 = 0x1_0000;
/// Behind the last address that a process can use.
pub const LAST_ADDRESS: u64 = 0x7fff_ffff_f000;
/// Where addresses are looked for that nobody asked for in particular.
pub const FIRST_CHOSEN: u64 = 0x1_0000_0000;
/// Ranges in one map at most.
pub const MAX_RANGES: usize = 65_536;
/// Ranges that one change of a map adds at most: it stands where one was cut in two.
const NEW_RANGES: usize = 2;

/// A piece of a mapping: what it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The object.
    pub object: Id<MemoryObject>,
    /// Whether the mapper held the writable interface.
    pub writable: bool,
    /// The place of the mapping; `None`: it is held, or the kernel mapped it for init.
    pub mapping: Option<u32>,
    /// Whether the process pays for the object, too, and keeps the mapping whatever becomes of that.
    pub held: bool,
}

/// What a range stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Set aside, without access.
    Reserved,
    /// Private zeroed memory, filled at first touch.
    Committed(Access),
    /// Part of a memory object.
    Mapped {
        /// Which piece of it.
        piece: Piece,
        /// Byte offset of the range's start in the object.
        offset: u64,
        /// What the mapping allows now.
        access: Access,
    },
    /// Part of a memory object that is being taken away: no page is filled any more. It is one range until no page is left, so that its
    /// end needs no room in the map.
    Unmapping {
        /// Which piece of it.
        piece: Piece,
        /// Pages before this address are unmapped.
        reached: u64,
    },
    /// The ring area of this thread; goes with it.
    Ring(Id<Thread>),
}

impl Kind {
    /// Whether neighbours of these kinds are one range.
    fn joins(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Reserved, Self::Reserved) => true,
            (Self::Committed(one), Self::Committed(other)) => one == other,
            _ => false,
        }
    }

    /// The piece of a mapping that it is.
    pub fn piece(&self) -> Option<Piece> {
        match *self {
            Self::Mapped { piece, .. } | Self::Unmapping { piece, .. } => Some(piece),
            Self::Reserved | Self::Committed(_) | Self::Ring(_) => None,
        }
    }

    /// What may be done with its memory; `None`: it is not a program's own.
    pub fn access(&self) -> Option<Access> {
        match self {
            Self::Committed(access) | Self::Mapped { access, .. } => Some(*access),
            Self::Reserved | Self::Unmapping { .. } | Self::Ring(_) => None,
        }
    }

    /// The same memory with another access.
    pub fn with_access(self, access: Access) -> Self {
        match self {
            Self::Committed(_) => Self::Committed(access),
            Self::Mapped { piece, offset, .. } => Self::Mapped { piece, offset, access },
            Self::Reserved | Self::Unmapping { .. } | Self::Ring(_) => self,
        }
    }
}

/// Neighbouring addresses that stand for the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// First address.
    pub start: u64,
    /// Behind the last address.
    pub end: u64,
    /// What it stands for.
    pub kind: Kind,
}

impl Range {
    /// The part of this range within `start..end`.
    fn clip(&self, start: u64, end: u64) -> Self {
        let mut clipped = Self { start: self.start.max(start), end: self.end.min(end), ..*self };
        if let Kind::Mapped { offset, .. } = &mut clipped.kind {
            *offset += clipped.start - self.start;
        }
        clipped
    }

    /// Number of pages.
    pub fn pages(&self) -> u64 {
        (self.end - self.start) / capos_abi::PAGE_BYTES
    }
}

impl Interval for Range {
    fn start(&self) -> u64 {
        self.start
    }

    fn end(&self) -> u64 {
        self.end
    }
}

/// All ranges of a process, without overlaps.
pub struct RangeMap {
    tree: Tree<Range>,
}

impl RangeMap {
    /// A map without ranges.
    pub const fn new() -> Self {
        Self { tree: Tree::new() }
    }

    /// The first range that does not end at or before this address.
    #[inline]
    fn from(&self, address: u64) -> Option<&Range> {
        self.tree.get(self.tree.first_from(self.tree.place_of(address)))
    }

    /// The range that an address lies in.
    #[inline]
    pub fn find(&self, address: u64) -> Option<&Range> {
        self.tree.find(address)
    }

    /// The last range.
    pub fn last(&self) -> Option<&Range> {
        self.tree.last()
    }

    /// All ranges, sorted.
    #[cfg(test)]
    pub fn iter(&self) -> impl Iterator<Item = &Range> {
        self.iter_from(0)
    }

    /// The ranges that do not end at or before this address, sorted.
    pub fn iter_from(&self, address: u64) -> impl Iterator<Item = &Range> {
        self.tree.iter_from(self.tree.place_of(address))
    }

    /// Ranges that move when one is added or taken out, at most.
    pub fn moved(&self) -> u32 {
        self.tree.len().min(LEAF_ITEMS) as u32
    }

    /// Where `bytes` would fit; `None` if there is no gap.
    pub fn gap(&self, bytes: u64) -> Option<u64> {
        let hole = self.tree.hole(FIRST_CHOSEN, bytes);
        (hole.checked_add(bytes)? <= LAST_ADDRESS).then_some(hole)
    }

    /// Whether nothing lies within these addresses.
    pub fn is_vacant(&self, start: u64, end: u64) -> bool {
        self.from(start).is_none_or(|range| range.start >= end)
    }

    /// The first part of a range within `start..end`.
    #[inline]
    pub fn first(&self, start: u64, end: u64) -> Option<Range> {
        self.from(start).filter(|range| range.start < end).map(|range| range.clip(start, end))
    }

    /// Makes room for one [`Self::set`] at an address, and for the [`Self::remove`] of what it adds: who could add a range can take
    /// it out.
    pub fn prepare(&mut self, address: u64, payer: Payer<'_>) -> Result<(), Refusal> {
        let left = MAX_RANGES.saturating_sub(self.tree.len());
        if left < NEW_RANGES {
            return Err(Exhausted::machine(resource::RANGES, NEW_RANGES as u64, left as u64).into());
        }
        self.tree.reserve(address, 2 * NEW_RANGES, payer)
    }

    /// Makes room for one [`Self::remove`] at an address, or a [`Self::set`] that takes something out.
    pub fn prepare_to_remove(&mut self, address: u64, payer: Payer<'_>) -> Result<(), Refusal> {
        self.tree.reserve(address, NEW_RANGES, payer)
    }

    /// Lets `start..end` stand for `kind`, whatever was there. [`Self::prepare`] came before.
    pub fn set(&mut self, start: u64, end: u64, kind: Kind) {
        let range = Range { start, end, kind };
        let mut place = self.tree.place_of(start);
        match self.tree.get(place) {
            Some(&Range { start: old_start, end: old_end, .. }) if old_start >= start && old_end <= end => {
                if old_end < end {
                    self.cut(place.next(), old_end, end);
                }
                self.tree.update(place, |old| *old = range);
            }
            _ => {
                place = self.cut(place, start, end);
                self.tree.insert(place, range);
            }
        }
        if kind.joins(&kind) {
            self.join(place, self.tree.first_from(place.next()));
            if let Some(before) = self.tree.before(place) {
                self.join(before, place);
            }
        }
        self.tree.merge(place);
    }

    /// Lets `start..end` stand for nothing. [`Self::prepare_to_remove`] came before.
    pub fn remove(&mut self, start: u64, end: u64) {
        let place = self.cut(self.tree.place_of(start), start, end);
        self.tree.merge(place);
    }

    /// Takes out what lies in `start..end`; where a range goes that lies there. At first, it would go to `free`.
    fn cut(&mut self, mut free: Place, start: u64, end: u64) -> Place {
        loop {
            let place = self.tree.first_from(free);
            let Some(old) = self.tree.get(place).filter(|old| old.start < end) else { return free };
            match (old.start < start, old.end > end) {
                (false, false) => self.tree.remove(place),
                (true, false) => {
                    self.tree.update(place, |old| old.end = start);
                    free = place.next();
                }
                (false, true) => {
                    self.tree.update(place, |old| *old = old.clip(end, old.end));
                    return free;
                }
                (true, true) => {
                    let head = old.clip(old.start, start);
                    self.tree.update(place, |old| *old = old.clip(end, old.end));
                    self.tree.insert(place, head);
                    return place.next();
                }
            }
        }
    }

    /// Makes one range of neighbours that meet and stand for the same: the map stays as short as it can be.
    #[inline]
    fn join(&mut self, before: Place, behind: Place) {
        if let (Some(one), Some(other)) = (self.tree.get(before), self.tree.get(behind))
            && one.end == other.start
            && one.kind.joins(&other.kind)
        {
            let end = other.end;
            self.tree.remove(behind);
            self.tree.update(before, |one| one.end = end);
        }
    }

    /// Gives some of the memory of an empty map back; whether there is more.
    pub fn free_some(&mut self, ledger: &mut Ledger) -> bool {
        self.tree.free_leaf(ledger)
    }

    /// Bytes of the kernel's heap that it holds.
    pub fn held(&self) -> u64 {
        self.tree.held()
    }
}
