//! The frame allocator: which physical frames are free.
//!
//! A bitmap with one bit for each frame (1 = free), a search hint, and a machine-wide reservation count, so that memory which
//! was committed can always be filled later.
use alloc::vec::Vec;

/// Bytes of a frame.
pub const FRAME_BYTES: u64 = capos_abi::PAGE_BYTES;

/// A physical page frame, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Frame(pub u64);

impl Frame {
    /// Physical address.
    pub fn address(self) -> u64 {
        self.0 * FRAME_BYTES
    }

    /// The frame that holds a physical address.
    pub fn containing(address: u64) -> Self {
        Self(address / FRAME_BYTES)
    }

    /// The frame `count` further on.
    pub fn offset(self, count: u64) -> Self {
        Self(self.0 + count)
    }
}

/// No frame, or no run of frames, is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfFrames;

/// Frames that stay free for page tables when memory is committed.
const PAGE_TABLE_HEADROOM: u64 = 64;

/// All frames of the machine.
pub struct FrameAllocator {
    free_bits: Vec<u64>,
    hint: usize,
    free: u64,
    reserved: u64,
    total: u64,
}

impl FrameAllocator {
    /// An allocator for frames below `limit`, with none free yet. `None`: the heap is too small for the bitmap.
    pub fn new(limit: Frame) -> Option<Self> {
        let words = limit.0.div_ceil(64) as usize;
        let mut free_bits = Vec::new();
        free_bits.try_reserve_exact(words).ok()?;
        free_bits.resize(words, 0);
        Some(Self { free_bits, hint: 0, free: 0, reserved: 0, total: 0 })
    }

    /// Adds usable frames; those outside of the allocator's limit or added before are ignored.
    pub fn add(&mut self, first: Frame, count: u64) {
        let end = first.0.saturating_add(count).min(self.free_bits.len() as u64 * 64);
        let mut start = first.0;
        // A word at a time: large machines have millions of frames.
        while start < end {
            let (word, bit) = (start / 64, start % 64);
            let next = end.min((word + 1) * 64);
            let mask = u64::MAX >> (64 - (next - start)) << bit;
            if let Some(bits) = self.free_bits.get_mut(word as usize) {
                let added = u64::from((mask & !*bits).count_ones());
                *bits |= mask;
                self.total += added;
                self.free += added;
                self.hint = self.hint.min(word as usize);
            }
            start = next;
        }
    }

    /// Frames that exist, used or not.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Frames that nothing is stored in.
    pub fn free_frames(&self) -> u64 {
        self.free
    }

    /// Frames that are neither used nor reserved.
    pub fn available(&self) -> u64 {
        self.free.saturating_sub(self.reserved)
    }

    /// Sets frames aside for [`Self::allocate_reserved`].
    pub fn reserve(&mut self, count: u64) -> Result<(), OutOfFrames> {
        if count.saturating_add(PAGE_TABLE_HEADROOM) > self.available() {
            return Err(OutOfFrames);
        }
        self.reserved += count;
        Ok(())
    }

    /// Gives reserved frames back that were not allocated.
    pub fn unreserve(&mut self, count: u64) {
        self.reserved = self.reserved.saturating_sub(count);
    }

    /// One frame that was not reserved. Its content is whatever was there.
    pub fn allocate(&mut self) -> Result<Frame, OutOfFrames> {
        if self.available() == 0 {
            return Err(OutOfFrames);
        }
        self.take_one().ok_or(OutOfFrames)
    }

    /// One frame of those set aside by [`Self::reserve`].
    pub fn allocate_reserved(&mut self) -> Option<Frame> {
        let frame = self.take_one()?;
        self.unreserve(1);
        Some(frame)
    }

    /// `count` neighbouring frames, the first one aligned to `count` rounded up to a power of two.
    pub fn allocate_contiguous(&mut self, count: u64) -> Result<Frame, OutOfFrames> {
        if count == 0 || self.available() < count {
            return Err(OutOfFrames);
        }
        let step = count.next_power_of_two();
        let end = self.free_bits.len() as u64 * 64;
        // Nothing is free before the hint. Whole words without a free frame are passed over at once.
        let mut first = (self.hint as u64 * 64).next_multiple_of(step);
        while first + count <= end {
            if step < 64 && self.free_bits.get(first as usize / 64) == Some(&0) {
                first = (first / 64 + 1) * 64;
                continue;
            }
            match (first..first + count).rev().find(|&f| !self.is_free(Frame(f))) {
                None => {
                    (first..first + count).for_each(|f| self.clear_free(Frame(f)));
                    return Ok(Frame(first));
                }
                Some(used) => first = (used + 1).next_multiple_of(step),
            }
        }
        Err(OutOfFrames)
    }

    /// Gives a frame back.
    pub fn free(&mut self, frame: Frame) {
        debug_assert!(!self.is_free(frame), "frame {frame:?} freed twice");
        self.set_free(frame);
    }

    /// Gives neighbouring frames back.
    pub fn free_contiguous(&mut self, first: Frame, count: u64) {
        (0..count).for_each(|i| self.free(first.offset(i)));
    }

    fn take_one(&mut self) -> Option<Frame> {
        let words = self.free_bits.len();
        let word = (self.hint..words).chain(0..self.hint).find(|&w| self.free_bits.get(w).is_some_and(|&b| b != 0))?;
        let bits = self.free_bits.get(word)?;
        let frame = Frame(word as u64 * 64 + u64::from(bits.trailing_zeros()));
        self.hint = word;
        self.clear_free(frame);
        Some(frame)
    }

    fn is_free(&self, frame: Frame) -> bool {
        self.free_bits.get(frame.0 as usize / 64).is_some_and(|w| w >> (frame.0 % 64) & 1 == 1)
    }

    fn set_free(&mut self, frame: Frame) {
        let word = frame.0 as usize / 64;
        if let Some(bits) = self.free_bits.get_mut(word) {
            *bits |= 1 << (frame.0 % 64);
            self.free += 1;
            self.hint = self.hint.min(word);
        }
    }

    fn clear_free(&mut self, frame: Frame) {
        if let Some(bits) = self.free_bits.get_mut(frame.0 as usize / 64) {
            *bits &= !(1 << (frame.0 % 64));
            self.free -= 1;
        }
    }
}
