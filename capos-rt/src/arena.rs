//! Allocator of message ranges in the ring's arena. It needs no heap and keeps nothing in the arena itself.
//!
//! The arena is divided into units; a bitmap says which are taken. Ranges of the usual size go through a small stack,
//! so that taking and giving one back costs a handful of instructions.
use capos_abi::ring::{ARENA_OFFSET, MAX_AREA_BYTES};
use core::cell::Cell;

/// Bytes of a unit.
pub const UNIT_BYTES: u32 = 256;
/// Bytes of a range for an ordinary request and its result.
pub const USUAL_BYTES: u32 = 9 * UNIT_BYTES;

const MAX_UNITS: usize = ((MAX_AREA_BYTES - ARENA_OFFSET) / UNIT_BYTES) as usize;
const WORDS: usize = MAX_UNITS.div_ceil(64);
const CACHED: usize = 8;

/// A range of the arena, in bytes from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Offset of the first byte; a multiple of [`UNIT_BYTES`].
    pub offset: u32,
    /// Length; a multiple of [`UNIT_BYTES`].
    pub bytes: u32,
}

/// Which parts of an arena are in use.
pub struct Arena {
    taken: [Cell<u64>; WORDS],
    units: Cell<u32>,
    cache: [Cell<u32>; CACHED],
    cached: Cell<usize>,
}

impl Arena {
    /// An arena of no bytes.
    pub const fn new() -> Self {
        Self {
            taken: [const { Cell::new(0) }; WORDS],
            units: Cell::new(0),
            cache: [const { Cell::new(0) }; CACHED],
            cached: Cell::new(0),
        }
    }

    /// Makes this an arena of `bytes`, all free.
    pub fn reset(&self, bytes: u32) {
        self.taken.iter().for_each(|word| word.set(0));
        self.units.set((bytes / UNIT_BYTES).min(MAX_UNITS as u32));
        self.cached.set(0);
    }

    /// Bytes of the whole arena.
    pub fn bytes(&self) -> u32 {
        self.units.get() * UNIT_BYTES
    }

    /// Takes a range of [`USUAL_BYTES`].
    #[inline]
    pub fn take_usual(&self) -> Option<Range> {
        match self.cached.get() {
            0 => self.take(USUAL_BYTES),
            n => {
                self.cached.set(n - 1);
                Some(Range { offset: self.cache[n - 1].get(), bytes: USUAL_BYTES })
            }
        }
    }

    /// Takes a range of at least `bytes`.
    pub fn take(&self, bytes: u32) -> Option<Range> {
        let units = bytes.div_ceil(UNIT_BYTES).max(1);
        let first = self.find(units).or_else(|| {
            self.flush();
            self.find(units)
        })?;
        self.mark(first, units, true);
        Some(Range { offset: first * UNIT_BYTES, bytes: units * UNIT_BYTES })
    }

    /// Gives a range back.
    #[inline]
    pub fn give(&self, range: Range) {
        let n = self.cached.get();
        if range.bytes == USUAL_BYTES && n < CACHED {
            self.cache[n].set(range.offset);
            self.cached.set(n + 1);
        } else {
            self.mark(range.offset / UNIT_BYTES, range.bytes / UNIT_BYTES, false);
        }
    }

    /// Returns cached ranges to the bitmap.
    #[cold]
    fn flush(&self) {
        for slot in &self.cache[..self.cached.replace(0)] {
            self.mark(slot.get() / UNIT_BYTES, USUAL_BYTES / UNIT_BYTES, false);
        }
    }

    /// Bytes of the longest range that can be taken.
    pub fn longest_free(&self) -> u32 {
        self.flush();
        let (mut longest, mut run) = (0, 0);
        for unit in 0..self.units.get() {
            run = if self.is_taken(unit) { 0 } else { run + 1 };
            longest = longest.max(run);
        }
        longest * UNIT_BYTES
    }

    fn is_taken(&self, unit: u32) -> bool {
        self.taken[unit as usize / 64].get() >> (unit % 64) & 1 == 1
    }

    /// The first run of `units` free units.
    fn find(&self, units: u32) -> Option<u32> {
        let mut start = 0;
        for unit in 0..self.units.get() {
            if self.is_taken(unit) {
                start = unit + 1;
            } else if unit + 1 - start == units {
                return Some(start);
            }
        }
        None
    }

    fn mark(&self, first: u32, units: u32, taken: bool) {
        for unit in first..first + units {
            let (word, bit) = (&self.taken[unit as usize / 64], 1 << (unit % 64));
            debug_assert_eq!(word.get() & bit != 0, !taken, "unit {unit} changes hands once");
            word.set(if taken { word.get() | bit } else { word.get() & !bit });
        }
    }
}

impl Default for Arena {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    extern crate std;
    use std::vec::Vec;

    #[derive(Clone, Debug)]
    enum Step {
        TakeUsual,
        Take(u32),
        Give(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![Just(Step::TakeUsual), (1u32..20_000).prop_map(Step::Take), any::<usize>().prop_map(Step::Give)]
    }

    proptest! {
        #[test]
        fn ranges_in_use_never_overlap(bytes in 4096u32..300_000, steps in prop::collection::vec(step(), 1..200)) {
            let arena = Arena::new();
            arena.reset(bytes);
            let mut held: Vec<Range> = Vec::new();
            for step in steps {
                match step {
                    Step::TakeUsual => held.extend(arena.take_usual()),
                    Step::Take(n) => held.extend(arena.take(n).inspect(|r| assert!(r.bytes >= n))),
                    Step::Give(_) if held.is_empty() => {}
                    Step::Give(i) => arena.give(held.swap_remove(i % held.len())),
                }
                let longest = arena.longest_free();
                prop_assert!(longest == 0 || arena.take(longest).inspect(|r| arena.give(*r)).is_some());
                prop_assert!(arena.take(longest + UNIT_BYTES).is_none());
                held.sort_by_key(|r| r.offset);
                prop_assert!(held.windows(2).all(|w| w[0].offset + w[0].bytes <= w[1].offset));
                prop_assert!(held.last().is_none_or(|r| r.offset + r.bytes <= bytes));
            }
            held.drain(..).for_each(|r| arena.give(r));
            prop_assert!(arena.take(arena.bytes()).is_some(), "everything came back");
        }
    }
}
