//! Where things lie: a line of words for each side, then the entries.
//!
//! | word | written by | content |
//! |---:|---|---|
//! | 0 | producer | `tail`: entries published so far |
//! | 1 | producer | 1: it sleeps until there is room |
//! | 8 | consumer | `head`: entries taken so far |
//! | 9 | consumer | 1: it sleeps until there are entries |
//! | 16 … | producer | the entries; number `i` lies in place `i` modulo their number |
//!
//! Zeroed memory is an empty queue. Indices count up and never wrap: 2⁶⁴ entries are more than any queue lives for.
use crate::Misbehaved;
use crate::sync::{AtomicU64, Ordering};
use core::fmt;

/// Entries of a queue at most.
pub const MAX_ENTRIES: u32 = 1 << 20;

/// Words in front of the entries.
const HEADER_WORDS: usize = 16;

/// Words of memory for a queue of `entries` entries of `WORDS` words.
pub const fn words<const WORDS: usize>(entries: u32) -> usize {
    HEADER_WORDS + entries as usize * WORDS
}

/// Why memory cannot hold a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadMemory {
    /// The number of entries is no power of two, or more than [`MAX_ENTRIES`].
    Entries(u32),
    /// The memory is too short.
    Short {
        /// Words needed.
        needed: usize,
        /// Words there.
        found: usize,
    },
}

impl fmt::Display for BadMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entries(entries) => {
                write!(f, "a queue has a power of two of at most {MAX_ENTRIES} entries, not {entries}")
            }
            Self::Short { needed, found } => write!(f, "the queue needs {needed} words of memory and got {found}"),
        }
    }
}

impl core::error::Error for BadMemory {}

/// The memory of a queue, taken apart.
#[derive(Clone, Copy)]
pub struct Parts<'a, const WORDS: usize> {
    pub tail: &'a AtomicU64,
    pub producer_sleeps: &'a AtomicU64,
    pub head: &'a AtomicU64,
    pub consumer_sleeps: &'a AtomicU64,
    places: &'a [[AtomicU64; WORDS]],
    mask: usize,
}

impl<'a, const WORDS: usize> Parts<'a, WORDS> {
    pub fn new(memory: &'a [AtomicU64], entries: u32) -> Result<Self, BadMemory> {
        if !entries.is_power_of_two() || entries > MAX_ENTRIES {
            return Err(BadMemory::Entries(entries));
        }
        let short = BadMemory::Short { needed: words::<WORDS>(entries), found: memory.len() };
        let (places, _) = memory.get(HEADER_WORDS..words::<WORDS>(entries)).ok_or(short)?.as_chunks();
        let [tail, producer_sleeps, .., head, consumer_sleeps, _, _, _, _, _, _] = &memory[..HEADER_WORDS] else {
            return Err(short);
        };
        Ok(Self { tail, producer_sleeps, head, consumer_sleeps, places, mask: entries as usize - 1 })
    }

    /// Number of places.
    #[inline]
    pub fn entries(&self) -> u64 {
        self.mask as u64 + 1
    }

    /// The words of entry number `index`. There is a place for every number.
    #[inline]
    pub fn place(&self, index: u64) -> Option<&'a [AtomicU64; WORDS]> {
        self.places.get(index as usize & self.mask)
    }

    /// The places of up to `most` entries from number `index` on, as far as they follow each other in memory.
    #[inline]
    pub fn run(&self, index: u64, most: u64) -> &'a [[AtomicU64; WORDS]] {
        let rest = self.places.get(index as usize & self.mask..).unwrap_or_default();
        rest.get(..most as usize).unwrap_or(rest)
    }
}

/// Writes an entry to its place.
#[inline]
pub fn store<const WORDS: usize>(place: &[AtomicU64; WORDS], entry: [u64; WORDS]) {
    (0..WORDS).for_each(|at| place[at].store(entry[at], Ordering::Relaxed));
}

/// A copy of the entry in a place.
#[inline]
pub fn load<const WORDS: usize>(place: &[AtomicU64; WORDS]) -> [u64; WORDS] {
    let mut entry = [0; WORDS];
    (0..WORDS).for_each(|at| entry[at] = place[at].load(Ordering::Relaxed));
    entry
}

/// Reads an index that the peer owns, once; it must lie in `least..=most`.
#[inline]
pub fn read_index(index: &AtomicU64, least: u64, most: u64) -> Result<u64, Misbehaved> {
    let found = index.load(Ordering::Acquire);
    if found < least || found > most { Err(Misbehaved { found, least, most }) } else { Ok(found) }
}
