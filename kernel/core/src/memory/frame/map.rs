//! The map of free frames: one bit for each, and above it ever shorter maps of the words that are not zero, so that a free frame is found in as
//! many steps as there are maps, however much of the memory is used.
use super::Frame;
use alloc::vec::Vec;

/// Bits of a word.
const WORD: u64 = u64::BITS as u64;

/// A bit for each frame; 1: it is free.
pub struct FreeMap {
    /// The map of frames, then maps of the words of the one before, up to one of a single word.
    levels: Vec<Vec<u64>>,
    /// No frame before this one is free.
    first: u64,
}

impl FreeMap {
    /// A map of the frames below `limit`, with none free. `None`: the heap is too small.
    pub fn new(limit: Frame) -> Option<Self> {
        let mut levels = Vec::new();
        let mut words = limit.0.div_ceil(WORD).max(1);
        loop {
            let mut level = Vec::new();
            level.try_reserve_exact(words as usize).ok()?;
            level.resize(words as usize, 0);
            levels.try_reserve(1).ok()?;
            levels.push(level);
            if words == 1 {
                return Some(Self { levels, first: 0 });
            }
            words = words.div_ceil(WORD);
        }
    }

    /// Adds frames; how many were not free before. Those outside of the map are ignored.
    pub fn add(&mut self, first: Frame, count: u64) -> u64 {
        let end = first.0.saturating_add(count).min(self.end());
        let (mut start, mut added) = (first.0, 0);
        // A word at a time: large machines have millions of frames.
        while start < end {
            let next = end.min((start / WORD + 1) * WORD);
            let mask = u64::MAX >> (WORD - (next - start)) << (start % WORD);
            added += u64::from((mask & !self.word(start)).count_ones());
            self.set(start, mask);
            start = next;
        }
        added
    }

    /// Takes the first free frame.
    pub fn take(&mut self) -> Option<Frame> {
        let frame = Frame(self.next(self.first)?);
        self.remove(frame);
        self.first = frame.0 + 1;
        Some(frame)
    }

    /// Takes `count` free neighbours, the first one aligned to `count` rounded up to a power of two.
    pub fn take_run(&mut self, count: u64) -> Option<Frame> {
        let step = count.next_power_of_two();
        let mut first = self.next(self.first)?.next_multiple_of(step);
        while first + count <= self.end() {
            match self.last_used(first, count) {
                None => {
                    self.remove_run(first, count);
                    return Some(Frame(first));
                }
                Some(used) => first = self.next(used + 1)?.next_multiple_of(step),
            }
        }
        None
    }

    /// The last frame of a run that is not free. A word at a time, as below.
    fn last_used(&self, first: u64, count: u64) -> Option<u64> {
        parts(first, count).rev().find_map(|(start, mask)| {
            let used = mask & !self.word(start);
            (used != 0).then(|| start / WORD * WORD + u64::from(used.ilog2()))
        })
    }

    /// Takes a run of free frames.
    fn remove_run(&mut self, first: u64, count: u64) {
        for (start, mask) in parts(first, count) {
            if let Some(word) = self.levels.first_mut().and_then(|frames| frames.get_mut((start / WORD) as usize)) {
                // Its last bit goes below, and with it the word's bit in the maps above.
                *word &= !mask | 1 << (start % WORD);
            }
            self.remove(Frame(start));
        }
    }

    /// Puts a frame back.
    pub fn put(&mut self, frame: Frame) {
        self.set(frame.0, 1 << (frame.0 % WORD));
    }

    /// Whether a frame is free.
    pub fn contains(&self, frame: Frame) -> bool {
        self.word(frame.0) >> (frame.0 % WORD) & 1 == 1
    }

    /// The frame behind the last one that the map has room for.
    fn end(&self) -> u64 {
        self.levels.first().map_or(0, |frames| frames.len() as u64 * WORD)
    }

    /// The word of a frame.
    fn word(&self, frame: u64) -> u64 {
        self.levels.first().and_then(|frames| frames.get((frame / WORD) as usize)).copied().unwrap_or_default()
    }

    /// Sets these bits in the word of a frame, and its bit in the maps above where it was zero.
    fn set(&mut self, frame: u64, mask: u64) {
        let (mut index, mut mask) = (frame / WORD, mask);
        for level in &mut self.levels {
            let Some(word) = level.get_mut(index as usize) else { return };
            let before = core::mem::replace(word, *word | mask);
            if before != 0 {
                break;
            }
            (mask, index) = (1 << (index % WORD), index / WORD);
        }
        self.first = self.first.min(frame);
    }

    /// Clears a frame's bit, and its word's in the maps above where it became zero.
    fn remove(&mut self, frame: Frame) {
        let mut bit = frame.0;
        for level in &mut self.levels {
            let Some(word) = level.get_mut((bit / WORD) as usize) else { return };
            *word &= !(1 << (bit % WORD));
            if *word != 0 {
                return;
            }
            bit /= WORD;
        }
    }

    /// The first free frame that is not before this one.
    fn next(&self, frame: u64) -> Option<u64> {
        let mut bit = frame;
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

    /// The first free frame below a bit of the map at this height, which is set.
    fn first_below(&self, height: usize, bit: u64) -> Option<u64> {
        self.levels.iter().take(height).rev().try_fold(bit, |bit, level| {
            let word = level.get(bit as usize)?;
            Some(bit * WORD + u64::from(word.trailing_zeros()))
        })
    }
}

/// The words that a run of frames lies in: its first frame in each, and its bits.
fn parts(first: u64, count: u64) -> impl DoubleEndedIterator<Item = (u64, u64)> {
    let end = first + count;
    (first / WORD..end.div_ceil(WORD)).map(move |word| {
        let (start, behind) = (first.max(word * WORD), end.min((word + 1) * WORD));
        (start, u64::MAX >> (WORD - (behind - start)) << (start % WORD))
    })
}
