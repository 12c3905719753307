//! A B+ tree of ranges with two levels: tens of thousands are searched and changed in a few hundred steps. A map of few ranges is one
//! leaf, a sorted list.
//!
//! A leaf knows the widest hole between its ranges: that finds a gap.
use super::Range;
use crate::heap::{self, Payer, grow, has_room, make_room};
use crate::ipc::operation::Refusal;
use crate::ledger::Ledger;
use alloc::vec::Vec;

/// Ranges of a leaf at most: about the square root of all, so that neither level is long.
pub const LEAF_RANGES: usize = 256;

/// Neighbouring leaves that have no more ranges together become one. It is less than what both halves of a full leaf have.
const MERGED_RANGES: usize = LEAF_RANGES * 3 / 4;

/// Ranges by address, without overlaps.
pub struct Tree {
    /// The root: leaves by address, then those that are empty, for later.
    leaves: Vec<Leaf>,
    /// Leaves in use. None of them is empty, unless it is the only one.
    used: usize,
    len: usize,
}

/// Some neighbouring ranges.
struct Leaf {
    ranges: Vec<Range>,
    /// They end here at the latest, and those behind start here at the earliest. The last leaf has no end, nor has one for later.
    end: u64,
    /// Bytes of the widest hole between them, if there are other leaves.
    widest: u64,
}

/// Where a range stands, or would.
#[derive(Clone, Copy)]
pub struct Place {
    leaf: usize,
    at: usize,
}

impl Place {
    /// The next one in the same leaf.
    pub fn next(self) -> Self {
        Self { at: self.at + 1, ..self }
    }
}

impl Tree {
    /// A tree without ranges.
    pub const fn new() -> Self {
        Self { leaves: Vec::new(), used: 0, len: 0 }
    }

    /// Number of ranges.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Makes room for so many more ranges where an address lies.
    pub fn reserve(&mut self, address: u64, more: usize, payer: Payer<'_>) -> Result<(), Refusal> {
        let Payer { ledgers, ledger } = payer;
        let mut at = self.leaf_of(address);
        if self.leaves.get(at).is_none_or(|leaf| leaf.ranges.len() + more > LEAF_RANGES) {
            self.add_leaf(at, &mut ledgers[ledger])?;
            at = self.leaf_of(address);
        }
        self.leaves.get_mut(at).map_or(Ok(()), |leaf| make_room(&mut leaf.ranges, more, Payer { ledgers, ledger }))
    }

    /// Gives the memory of an empty tree back.
    pub fn free(&mut self, ledger: &mut Ledger) {
        self.leaves.iter_mut().for_each(|leaf| heap::free(&mut leaf.ranges, ledger));
        self.leaves.clear();
        heap::free(&mut self.leaves, ledger);
        *self = Self::new();
    }

    /// Bytes of the kernel's heap that it holds.
    pub fn held(&self) -> u64 {
        heap::held(&self.leaves) + self.leaves.iter().map(|leaf| heap::held(&leaf.ranges)).sum::<u64>()
    }

    /// Where a range goes that begins at an address: before the first one that does not end at or before it.
    #[inline]
    pub fn place_of(&self, address: u64) -> Place {
        let leaf = self.leaf_of(address);
        let ranges = self.leaves.get(leaf).map_or(&[][..], |leaf| &leaf.ranges);
        Place { leaf, at: ranges.partition_point(|range| range.end <= address) }
    }

    /// The range that an address lies in.
    #[inline]
    pub fn find(&self, address: u64) -> Option<&Range> {
        let ranges = &self.leaves.get(self.leaf_of(address))?.ranges;
        let range = ranges.get(ranges.partition_point(|range| range.end <= address))?;
        (range.start <= address).then_some(range)
    }

    /// Where the first range stands from this place on; perhaps in the next leaf.
    #[inline]
    pub fn first_from(&self, place: Place) -> Place {
        let is_behind = self.leaves.get(place.leaf).is_some_and(|leaf| place.at >= leaf.ranges.len());
        if is_behind { Place { leaf: place.leaf + 1, at: 0 } } else { place }
    }

    /// Where the range stands that is the last one before this place.
    #[inline]
    pub fn before(&self, place: Place) -> Option<Place> {
        if let Some(at) = place.at.checked_sub(1) {
            return Some(Place { at, ..place });
        }
        let leaf = place.leaf.checked_sub(1)?;
        Some(Place { leaf, at: self.leaves.get(leaf)?.ranges.len().checked_sub(1)? })
    }

    /// The range in a place.
    #[inline]
    pub fn get(&self, place: Place) -> Option<&Range> {
        self.leaves.get(place.leaf)?.ranges.get(place.at)
    }

    /// The last range.
    pub fn last(&self) -> Option<&Range> {
        self.leaves.get(self.used.checked_sub(1)?)?.ranges.last()
    }

    /// All ranges from this place on, sorted.
    pub fn iter_from(&self, place: Place) -> impl Iterator<Item = &Range> {
        let mut leaves = self.leaves.iter().skip(place.leaf);
        let first = leaves.next().and_then(|leaf| leaf.ranges.get(place.at..)).unwrap_or_default();
        first.iter().chain(leaves.flat_map(|leaf| &leaf.ranges))
    }

    /// All ranges; their addresses stay as they are.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Range> {
        self.leaves.iter_mut().flat_map(|leaf| &mut leaf.ranges)
    }

    /// The first address from this one on behind which so many bytes belong to no range; perhaps behind the last range.
    pub fn hole(&self, from: u64, bytes: u64) -> u64 {
        let leaves = self.leaves.get(self.leaf_of(from)..self.used).unwrap_or_default();
        let hole = leaves.iter().try_fold(from, |from, leaf| match (leaf.ranges.first(), leaf.ranges.last()) {
            (Some(first), Some(last))
                if self.used > 1 && leaf.widest < bytes && first.start.saturating_sub(from) < bytes =>
            {
                Ok(from.max(last.end))
            }
            _ => leaf.hole(from, bytes),
        });
        hole.unwrap_or_else(|hole| hole)
    }

    /// Adds a range that overlaps no other. There is room: [`Self::reserve`] came before.
    pub fn insert(&mut self, place: Place, range: Range) {
        self.change(place, |ranges| {
            debug_assert!(ranges.len() < ranges.capacity(), "room was reserved");
            ranges.insert(place.at.min(ranges.len()), range);
        });
        self.len += 1;
    }

    /// Changes a range, which stays between its neighbours.
    #[inline]
    pub fn update(&mut self, place: Place, update: impl FnOnce(&mut Range)) {
        self.change(place, |ranges| {
            if let Some(range) = ranges.get_mut(place.at) {
                update(range);
            }
        });
    }

    /// Takes out a range that there is. Places behind it are others then.
    pub fn remove(&mut self, place: Place) {
        self.change(place, |ranges| {
            ranges.remove(place.at);
        });
        self.len -= 1;
        if self.used > 1 && self.leaves.get(place.leaf).is_some_and(|leaf| leaf.ranges.is_empty()) {
            self.remove_leaf(place.leaf);
        }
    }

    /// Makes one leaf of neighbours with few ranges: of that of a place, and those at its sides.
    #[inline]
    pub fn merge(&mut self, place: Place) {
        if self.used > 1 {
            self.merge_with_next(place.leaf);
            self.merge_with_next(place.leaf.saturating_sub(1));
        }
    }

    /// Changes ranges at a place.
    #[inline]
    fn change(&mut self, place: Place, change: impl FnOnce(&mut Vec<Range>)) {
        let is_alone = self.used == 1;
        match self.leaves.get_mut(place.leaf) {
            Some(leaf) if is_alone => change(&mut leaf.ranges),
            Some(leaf) => leaf.change(place.at, change),
            None => {}
        }
    }

    /// Which leaf an address lies in.
    #[inline]
    fn leaf_of(&self, address: u64) -> usize {
        if self.used > 1 { self.leaves.partition_point(|leaf| leaf.end <= address) } else { 0 }
    }

    #[cold]
    fn merge_with_next(&mut self, at: usize) {
        if let Some([one, next, ..]) = self.leaves.get_mut(at..self.used)
            && one.ranges.len() + next.ranges.len() <= MERGED_RANGES
        {
            one.ranges.append(&mut next.ranges);
            one.update();
            one.end = next.end;
            self.remove_leaf(at + 1);
        }
    }

    /// Puts an empty leaf away.
    #[cold]
    fn remove_leaf(&mut self, at: usize) {
        let leaf = self.leaves.remove(at);
        self.used -= 1;
        self.leaves.push(Leaf { end: u64::MAX, ..leaf });
        // The last one has no end.
        if let Some(last) = self.used.checked_sub(1).and_then(|last| self.leaves.get_mut(last)) {
            last.end = if at == self.used { u64::MAX } else { last.end };
        }
    }

    /// Makes the first leaf, or two of a full one.
    #[cold]
    fn add_leaf(&mut self, at: usize, ledger: &mut Ledger) -> Result<(), Refusal> {
        if self.used == self.leaves.len() {
            ensure_room(&mut self.leaves, 1, ledger)?;
            self.leaves.push(Leaf { ranges: Vec::new(), end: u64::MAX, widest: 0 });
        }
        if self.used == 0 {
            self.used = 1;
            return Ok(());
        }
        // Then leaves become one without the heap.
        for at in [at, self.used] {
            if let Some(leaf) = self.leaves.get_mut(at) {
                let missing = LEAF_RANGES - leaf.ranges.len();
                ensure_room(&mut leaf.ranges, missing, ledger)?;
            }
        }
        self.split(at);
        Ok(())
    }

    /// Moves half of a leaf into an empty one behind it.
    fn split(&mut self, at: usize) {
        let mut next = self.leaves.remove(self.used);
        let Some(full) = self.leaves.get_mut(at) else { return };
        next.ranges.extend(full.ranges.drain(full.ranges.len() / 2..));
        next.end = core::mem::replace(&mut full.end, full.ranges.last().map_or(0, |last| last.end));
        full.update();
        next.update();
        self.leaves.insert(at + 1, next);
        self.used += 1;
    }
}

impl Leaf {
    /// Changes ranges at a place.
    fn change(&mut self, at: usize, change: impl FnOnce(&mut Vec<Range>)) {
        let lost = self.widest_around(at);
        change(&mut self.ranges);
        self.end = self.ranges.get(at).map_or(self.end, |range| range.end.max(self.end));
        let gained = self.widest_around(at);
        if gained >= self.widest {
            self.widest = gained;
        } else if lost == self.widest {
            self.update();
        }
    }

    fn update(&mut self) {
        self.widest = widest(&self.ranges);
    }

    /// Bytes of the widest hole at the sides of a place.
    fn widest_around(&self, at: usize) -> u64 {
        let end = self.ranges.len().min(at + 2);
        widest(self.ranges.get(at.saturating_sub(1)..end).unwrap_or_default())
    }

    /// The first address from this one on behind which so many bytes belong to no range, or else the end of the last range.
    fn hole(&self, from: u64, bytes: u64) -> Result<u64, u64> {
        self.ranges.iter().try_fold(from, |from, range| {
            if range.start.saturating_sub(from) >= bytes { Err(from) } else { Ok(from.max(range.end)) }
        })
    }
}

/// Bytes of the widest hole between ranges.
fn widest(ranges: &[Range]) -> u64 {
    let holes = ranges.iter().zip(ranges.iter().skip(1)).map(|(one, next)| next.start - one.end);
    holes.max().unwrap_or(0)
}

fn ensure_room<T>(list: &mut Vec<T>, more: usize, ledger: &mut Ledger) -> Result<(), Refusal> {
    if has_room(list, more) { Ok(()) } else { grow(list, more, ledger) }
}
