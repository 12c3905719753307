//! A set of numbers: a bit for each, and above them ever shorter maps of the words that are not zero, so that the next number of the set is
//! found in as many steps as there are maps, however few there are.
use alloc::vec::Vec;

/// Bits of a word.
pub const WORD: u64 = u64::BITS as u64;

/// A set of numbers below a limit.
pub struct BitTree {
    /// The bits of the numbers, then maps of the words of the one before, up to one of a single word.
    levels: Vec<Vec<u64>>,
}

impl BitTree {
    /// An empty set of numbers below `limit`. `None`: the heap is too small.
    pub fn new(limit: u64) -> Option<Self> {
        let mut levels = Vec::new();
        let mut words = limit.div_ceil(WORD).max(1);
        loop {
            let mut level = Vec::new();
            level.try_reserve_exact(words as usize).ok()?;
            level.resize(words as usize, 0);
            levels.try_reserve(1).ok()?;
            levels.push(level);
            if words == 1 {
                return Some(Self { levels });
            }
            words = words.div_ceil(WORD);
        }
    }

    /// The number behind the last one that there is room for.
    pub fn end(&self) -> u64 {
        self.levels.first().map_or(0, |bits| bits.len() as u64 * WORD)
    }

    /// The bits of the word with this index.
    pub fn word(&self, index: u64) -> u64 {
        self.levels.first().and_then(|bits| bits.get(index as usize)).copied().unwrap_or_default()
    }

    /// Whether it holds this number.
    pub fn contains(&self, number: u64) -> bool {
        self.word(number / WORD) >> (number % WORD) & 1 == 1
    }

    /// Puts the numbers of these bits of a word in. Numbers that there is no room for are ignored.
    pub fn set(&mut self, mut index: u64, mut bits: u64) {
        for level in &mut self.levels {
            let Some(word) = level.get_mut(index as usize) else { return };
            let before = *word;
            *word |= bits;
            if before != 0 || bits == 0 {
                return;
            }
            (bits, index) = (1 << (index % WORD), index / WORD);
        }
    }

    /// Takes the numbers of these bits of a word out.
    pub fn clear(&mut self, mut index: u64, mut bits: u64) {
        for level in &mut self.levels {
            let Some(word) = level.get_mut(index as usize) else { return };
            *word &= !bits;
            if *word != 0 {
                return;
            }
            (bits, index) = (1 << (index % WORD), index / WORD);
        }
    }

    /// The first number of the set that is not before this one.
    pub fn next(&self, number: u64) -> Option<u64> {
        let mut bit = number;
        for (height, level) in self.levels.iter().enumerate() {
            let word = level.get((bit / WORD) as usize)? & (u64::MAX << (bit % WORD));
            if word != 0 {
                let found = bit / WORD * WORD + u64::from(word.trailing_zeros());
                return self.first_below(height, found);
            }
            bit = bit / WORD + 1;
        }
        None
    }

    /// The first number below a bit of the map at this height, which is set.
    fn first_below(&self, height: usize, bit: u64) -> Option<u64> {
        self.levels.iter().take(height).rev().try_fold(bit, |bit, level| {
            let word = level.get(bit as usize)?;
            Some(bit * WORD + u64::from(word.trailing_zeros()))
        })
    }
}

/// The words that the numbers `first..=last` lie in, each with their bits.
pub fn parts(first: u64, last: u64) -> impl Iterator<Item = (u64, u64)> {
    (first / WORD..=last / WORD).map(move |index| {
        let (start, end) = (first.max(index * WORD), last.min(index * WORD + (WORD - 1)));
        (index, u64::MAX >> (WORD - 1 - (end - start)) << (start % WORD))
    })
}
