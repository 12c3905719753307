//! The address-range map of a process: what its addresses stand for.
use crate::execution::process::Process;
use crate::heap::{self, Payer, make_room};
use crate::ipc::operation::Refusal;
use crate::ledger::{Exhausted, Ledger};
use crate::memory::{Access, MemoryObject};
use crate::slab::Id;
use alloc::vec::Vec;
use capos_abi::handle::Handle;
use capos_abi::status::resource;

/// First address that a process can use.
pub const FIRST_ADDRESS: u64 = 0x1_0000;
/// Behind the last address that a process can use.
pub const LAST_ADDRESS: u64 = 0x7fff_ffff_f000;
/// Where addresses are looked for that nobody asked for in particular.
const FIRST_CHOSEN: u64 = 0x1_0000_0000;
/// Ranges in one map at most.
pub const MAX_RANGES: usize = 65_536;
/// Ranges that one change of a map adds at most: it stands where one was cut in two.
const NEW_RANGES: usize = 2;

/// What a range stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Set aside, without access.
    Reserved,
    /// Private zeroed memory, filled at first touch.
    Committed(Access),
    /// Part of a memory object, from byte `offset` on.
    Mapped {
        /// The object.
        object: Id<MemoryObject>,
        /// Byte offset of the range's start in the object.
        offset: u64,
        /// What the mapping allows now.
        access: Access,
        /// Whether the mapper held the writable interface.
        writable: bool,
        /// Who mapped it with which handle; `None`: the kernel, for init.
        granted: Option<(Id<Process>, Handle)>,
        /// Whether the process pays for the object, too, and keeps the mapping whatever becomes of that.
        held: bool,
    },
    /// A thread's ring area; goes with the thread.
    Ring,
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

    /// The same memory with another access.
    pub fn with_access(self, access: Access) -> Self {
        match self {
            Self::Committed(_) => Self::Committed(access),
            Self::Mapped { object, offset, writable, granted, held, .. } => {
                Self::Mapped { object, offset, access, writable, granted, held }
            }
            Self::Reserved | Self::Ring => self,
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

/// All ranges of a process, sorted, without overlaps.
pub struct RangeMap {
    ranges: Vec<Range>,
}

impl RangeMap {
    /// A map without ranges.
    pub const fn new() -> Self {
        Self { ranges: Vec::new() }
    }

    /// The range that an address lies in.
    pub fn find(&self, address: u64) -> Option<&Range> {
        let at = self.ranges.partition_point(|r| r.end <= address);
        self.ranges.get(at).filter(|r| r.start <= address)
    }

    /// Number of ranges.
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// All ranges, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &Range> {
        self.ranges.iter()
    }

    /// The ranges that do not end at or before this address, sorted.
    pub fn iter_from(&self, address: u64) -> impl Iterator<Item = &Range> {
        let first = self.ranges.partition_point(|r| r.end <= address);
        self.ranges.get(first..).unwrap_or_default().iter()
    }

    /// All ranges; their addresses must stay as they are.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Range> {
        self.ranges.iter_mut()
    }

    /// Where `bytes` would fit; `None` if there is no gap.
    pub fn gap(&self, bytes: u64) -> Option<u64> {
        let mut candidate = FIRST_CHOSEN;
        let first = self.ranges.partition_point(|r| r.end <= FIRST_CHOSEN);
        for range in self.ranges.get(first..)? {
            if range.start.saturating_sub(candidate) >= bytes {
                return Some(candidate);
            }
            candidate = candidate.max(range.end);
        }
        (candidate.checked_add(bytes)? <= LAST_ADDRESS).then_some(candidate)
    }

    /// Whether nothing lies within these addresses.
    pub fn is_vacant(&self, start: u64, end: u64) -> bool {
        let at = self.ranges.partition_point(|r| r.end <= start);
        self.ranges.get(at).is_none_or(|r| r.start >= end)
    }

    /// The parts of ranges within `start..end`, if they cover it without a hole and all satisfy `condition`.
    pub fn covered(
        &self,
        start: u64,
        end: u64,
        condition: impl Fn(&Kind) -> bool,
    ) -> Option<impl Iterator<Item = Range>> {
        let first = self.ranges.partition_point(|r| r.end <= start);
        let inside = self.ranges.get(first..)?;
        let inside = inside.get(..inside.partition_point(|r| r.start < end))?;
        let mut next = start;
        for range in inside {
            if range.start > next || !condition(&range.kind) {
                return None;
            }
            next = range.end;
        }
        (next >= end).then(|| inside.iter().map(move |r| r.clip(start, end)))
    }

    /// Makes room for one [`Self::set`], and for the [`Self::remove`] of what it adds: who could add a range can take it out.
    pub fn prepare(&mut self, payer: Payer<'_>) -> Result<(), Refusal> {
        let left = MAX_RANGES.saturating_sub(self.ranges.len());
        if left < NEW_RANGES {
            return Err(Exhausted::machine(resource::RANGES, NEW_RANGES as u64, left as u64).into());
        }
        make_room(&mut self.ranges, 2 * NEW_RANGES, payer)
    }

    /// Makes room for one [`Self::remove`], or a [`Self::set`] that takes something out.
    pub fn prepare_to_remove(&mut self, payer: Payer<'_>) -> Result<(), Refusal> {
        make_room(&mut self.ranges, NEW_RANGES, payer)
    }

    /// Lets `start..end` stand for `kind`, whatever was there. [`Self::prepare`] came before.
    pub fn set(&mut self, start: u64, end: u64, kind: Kind) {
        self.replace(start, end, Some(Range { start, end, kind }));
    }

    /// The first part of a range within `start..end` whose kind satisfies the condition.
    pub fn first(&self, start: u64, end: u64, condition: impl Fn(&Kind) -> bool) -> Option<Range> {
        let first = self.ranges.partition_point(|r| r.end <= start);
        let inside = self.ranges.get(first..)?.iter().take_while(|r| r.start < end);
        inside.filter(|r| condition(&r.kind)).map(|r| r.clip(start, end)).next()
    }

    /// Lets `start..end` stand for nothing. [`Self::prepare_to_remove`] came before.
    pub fn remove(&mut self, start: u64, end: u64) {
        self.replace(start, end, None);
    }

    /// Takes any range out, to empty the map.
    pub fn pop(&mut self) -> Option<Range> {
        self.ranges.pop()
    }

    /// Puts the rest of a range back that [`Self::pop`] took out.
    pub fn push(&mut self, range: Range) {
        self.ranges.push(range);
    }

    /// Gives the memory of an empty map back.
    pub fn free(&mut self, ledger: &mut Ledger) {
        heap::free(&mut self.ranges, ledger);
    }

    /// Bytes of the kernel's heap that it holds.
    pub fn held(&self) -> u64 {
        heap::held(&self.ranges)
    }

    /// Puts `with` in the place of `start..end`; what it equals at its borders becomes one with it, so that the map stays as
    /// short as it can be.
    fn replace(&mut self, start: u64, end: u64, mut with: Option<Range>) {
        let mut first = self.ranges.partition_point(|r| r.end <= start);
        let mut behind =
            first + self.ranges.get(first..).map_or(0, |rest| rest.iter().take_while(|r| r.start < end).count());
        let mut head = self.ranges.get(first).filter(|r| r.start < start).map(|r| r.clip(r.start, start));
        let last = behind.checked_sub(1).and_then(|last| self.ranges.get(last));
        let mut tail = last.filter(|r| r.end > end && r.start < end).map(|r| r.clip(end, r.end));
        if let Some(with) = &mut with {
            let before = head.or_else(|| first.checked_sub(1).and_then(|i| self.ranges.get(i)).copied());
            if let Some(before) = before.filter(|r| r.end == start && r.kind.joins(&with.kind)) {
                first -= usize::from(head.take().is_none());
                with.start = before.start;
            }
            let next = tail.or_else(|| self.ranges.get(behind).copied());
            if let Some(next) = next.filter(|r| r.start == end && r.kind.joins(&with.kind)) {
                behind += usize::from(tail.take().is_none());
                with.end = next.end;
            }
        }
        self.put(first, behind, [head, with, tail]);
    }

    /// Puts `new` in the place of the ranges `first..behind`.
    fn put(&mut self, first: usize, behind: usize, new: [Option<Range>; 3]) {
        let mut at = first;
        for range in new.into_iter().flatten() {
            match self.ranges.get_mut(at) {
                Some(place) if at < behind => *place = range,
                _ => self.ranges.insert(at, range),
            }
            at += 1;
        }
        if at < behind {
            self.ranges.drain(at..behind);
        }
    }
}
