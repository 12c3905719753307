//! A B+ tree of intervals with two levels: tens of thousands are searched and changed in a few hundred steps. Few of them are one leaf,
//! a sorted list.
//!
//! A leaf knows the widest hole between its intervals: that finds a gap.
mod leaf;

use crate::heap::{self, Payer, grow, has_room, make_room};
use crate::ipc::operation::Refusal;
use crate::ledger::Ledger;
use alloc::vec::Vec;
use leaf::Leaf;

/// What lies somewhere.
pub trait Interval: Copy {
    /// Where it starts.
    fn start(&self) -> u64;
    /// Behind its end.
    fn end(&self) -> u64;
}

/// Intervals of a leaf at most: about the square root of all, so that neither level is long.
pub const LEAF_ITEMS: usize = 256;

/// Neighbouring leaves that have no more of them together become one. It is less than what both halves of a full leaf have.
const MERGED_ITEMS: usize = LEAF_ITEMS * 3 / 4;

/// Intervals that do not overlap, sorted.
pub struct Tree<T> {
    /// The root: leaves in order, then those that are empty, for later.
    leaves: Vec<Leaf<T>>,
    /// Leaves in use. None of them is empty, unless it is the only one.
    used: usize,
    len: usize,
}

/// Where an interval stands, or would.
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

impl<T: Interval> Tree<T> {
    /// A tree without items.
    pub const fn new() -> Self {
        Self { leaves: Vec::new(), used: 0, len: 0 }
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Makes room for so many more intervals where a number lies.
    pub fn reserve(&mut self, number: u64, more: usize, payer: Payer<'_>) -> Result<(), Refusal> {
        let Payer { ledgers, ledger, stay } = payer;
        let mut at = self.leaf_of(number);
        if self.leaves.get(at).is_none_or(|leaf| leaf.items.len() + more > LEAF_ITEMS) {
            self.add_leaf(at, &mut ledgers[ledger])?;
            at = self.leaf_of(number);
        }
        self.leaves.get_mut(at).map_or(Ok(()), |leaf| make_room(&mut leaf.items, more, Payer { ledgers, ledger, stay }))
    }

    /// Gives the memory of an empty tree back: of one leaf; whether there are more.
    pub fn free_leaf(&mut self, ledger: &mut Ledger) -> bool {
        let Some(mut leaf) = self.leaves.pop() else {
            heap::free(&mut self.leaves, ledger);
            return false;
        };
        heap::free(&mut leaf.items, ledger);
        self.used = 0;
        true
    }

    /// Bytes of the kernel's heap that it holds.
    pub fn held(&self) -> u64 {
        heap::held(&self.leaves) + self.leaves.iter().map(|leaf| heap::held(&leaf.items)).sum::<u64>()
    }

    /// Where an interval goes that starts at a number: before the first one that does not end at or before it.
    #[inline]
    pub fn place_of(&self, number: u64) -> Place {
        let leaf = self.leaf_of(number);
        let items = self.leaves.get(leaf).map_or(&[][..], |leaf| &leaf.items);
        Place { leaf, at: items.partition_point(|interval| interval.end() <= number) }
    }

    /// The interval that a number lies in.
    #[inline]
    pub fn find(&self, number: u64) -> Option<&T> {
        let items = &self.leaves.get(self.leaf_of(number))?.items;
        let interval = items.get(items.partition_point(|interval| interval.end() <= number))?;
        (interval.start() <= number).then_some(interval)
    }

    /// Where the first interval stands from this place on; perhaps in the next leaf.
    #[inline]
    pub fn first_from(&self, place: Place) -> Place {
        let is_behind = self.leaves.get(place.leaf).is_some_and(|leaf| place.at >= leaf.items.len());
        if is_behind { Place { leaf: place.leaf + 1, at: 0 } } else { place }
    }

    /// Where the interval stands that is the last one before this place.
    #[inline]
    pub fn before(&self, place: Place) -> Option<Place> {
        if let Some(at) = place.at.checked_sub(1) {
            return Some(Place { at, ..place });
        }
        let leaf = place.leaf.checked_sub(1)?;
        Some(Place { leaf, at: self.leaves.get(leaf)?.items.len().checked_sub(1)? })
    }

    /// The interval in a place.
    #[inline]
    pub fn get(&self, place: Place) -> Option<&T> {
        self.leaves.get(place.leaf)?.items.get(place.at)
    }

    /// The last interval.
    pub fn last(&self) -> Option<&T> {
        self.leaves.get(self.used.checked_sub(1)?)?.items.last()
    }

    /// All intervals from this place on, sorted.
    pub fn iter_from(&self, place: Place) -> impl Iterator<Item = &T> {
        let mut leaves = self.leaves.iter().skip(place.leaf);
        let first = leaves.next().and_then(|leaf| leaf.items.get(place.at..)).unwrap_or_default();
        first.iter().chain(leaves.flat_map(|leaf| &leaf.items))
    }

    /// The first number from this one on behind which so many belong to no interval; perhaps behind the last interval.
    pub fn hole(&self, from: u64, wanted: u64) -> u64 {
        let leaves = self.leaves.get(self.leaf_of(from)..self.used).unwrap_or_default();
        let hole = leaves.iter().try_fold(from, |from, leaf| match (leaf.items.first(), leaf.items.last()) {
            (Some(first), Some(last))
                if self.used > 1 && leaf.widest < wanted && first.start().saturating_sub(from) < wanted =>
            {
                Ok(from.max(last.end()))
            }
            _ => leaf.hole(from, wanted),
        });
        hole.unwrap_or_else(|hole| hole)
    }

    /// Adds an interval that overlaps no other. There is room: [`Self::reserve`] came before.
    pub fn insert(&mut self, place: Place, interval: T) {
        self.change(place, |items| {
            debug_assert!(items.len() < items.capacity(), "room was reserved");
            items.insert(place.at.min(items.len()), interval);
        });
        self.len += 1;
    }

    /// Changes an interval, which stays between its neighbours.
    #[inline]
    pub fn update(&mut self, place: Place, update: impl FnOnce(&mut T)) {
        self.change(place, |items| {
            if let Some(interval) = items.get_mut(place.at) {
                update(interval);
            }
        });
    }

    /// Takes out an interval that there is. Places behind it are others then.
    pub fn remove(&mut self, place: Place) {
        self.change(place, |items| {
            items.remove(place.at);
        });
        self.len -= 1;
        if self.used > 1 && self.leaves.get(place.leaf).is_some_and(|leaf| leaf.items.is_empty()) {
            self.remove_leaf(place.leaf);
        }
    }

    /// Makes one leaf of neighbours with few intervals: of that of a place, and those at its sides.
    #[inline]
    pub fn merge(&mut self, place: Place) {
        if self.used > 1 {
            self.merge_with_next(place.leaf);
            self.merge_with_next(place.leaf.saturating_sub(1));
        }
    }

    /// Changes intervals at a place.
    #[inline]
    fn change(&mut self, place: Place, change: impl FnOnce(&mut Vec<T>)) {
        let is_alone = self.used == 1;
        match self.leaves.get_mut(place.leaf) {
            Some(leaf) if is_alone => change(&mut leaf.items),
            Some(leaf) => leaf.change(place.at, change),
            None => {}
        }
    }

    /// Which leaf a number lies in.
    #[inline]
    fn leaf_of(&self, number: u64) -> usize {
        if self.used > 1 { self.leaves.partition_point(|leaf| leaf.end <= number) } else { 0 }
    }

    #[cold]
    fn merge_with_next(&mut self, at: usize) {
        if let Some([one, next, ..]) = self.leaves.get_mut(at..self.used)
            && one.items.len() + next.items.len() <= MERGED_ITEMS
        {
            one.items.append(&mut next.items);
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
            self.leaves.push(Leaf { items: Vec::new(), end: u64::MAX, widest: 0 });
        }
        if self.used == 0 {
            self.used = 1;
            return Ok(());
        }
        // Then leaves become one without the heap.
        for at in [at, self.used] {
            if let Some(leaf) = self.leaves.get_mut(at) {
                let missing = LEAF_ITEMS - leaf.items.len();
                ensure_room(&mut leaf.items, missing, ledger)?;
            }
        }
        self.split(at);
        Ok(())
    }

    /// Moves half of a leaf into an empty one behind it.
    fn split(&mut self, at: usize) {
        let mut next = self.leaves.remove(self.used);
        let Some(full) = self.leaves.get_mut(at) else { return };
        next.items.extend(full.items.drain(full.items.len() / 2..));
        next.end = core::mem::replace(&mut full.end, full.items.last().map_or(0, |last| last.end()));
        full.update();
        next.update();
        self.leaves.insert(at + 1, next);
        self.used += 1;
    }
}

fn ensure_room<T>(list: &mut Vec<T>, more: usize, ledger: &mut Ledger) -> Result<(), Refusal> {
    if has_room(list, more) { Ok(()) } else { grow(list, more, ledger) }
}
