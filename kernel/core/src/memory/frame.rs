//! The frame allocator: which physical frames are free.
//!
//! A map of those that are free; in front of it a few frames for each processor, used last and used next; beside it a few that are
//! zeroed already, by processors that had nothing to do. All of them are free frames, and counted as such: whoever finds the map empty
//! gets those, too. A machine-wide reservation count keeps memory that was committed fillable.
mod bit_tree;
mod map;
mod stack;

use alloc::vec::Vec;
use map::FreeMap;
use stack::FrameStack;

pub use map::LARGEST_RUN;

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

/// So many frames, or no run of so many, are free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfFrames {
    /// Frames that were asked for.
    pub requested: u64,
    /// Frames that are left: less than that. Of frames that are to lie side by side there may be fewer.
    pub remaining: u64,
}

/// Not one frame is free.
const NO_FRAME: OutOfFrames = OutOfFrames { requested: 1, remaining: 0 };

/// Frames that stay free for page tables when memory is committed.
const PAGE_TABLE_HEADROOM: u64 = 64;

/// Free frames that a processor keeps at hand at most: 2 MiB.
const CACHED_FRAMES: usize = 512;
/// Frames that go from the map to a processor, or back, at a time: a stay in the kernel is short.
pub const BATCH_FRAMES: usize = 16;
/// Frames that are zeroed ahead of their use: 2 MiB.
const ZEROED_FRAMES: usize = 512;

/// All frames of the machine.
pub struct FrameAllocator {
    map: FreeMap,
    /// What each processor keeps at hand.
    cached: Vec<FrameStack>,
    /// The processor that is inside the kernel.
    processor: usize,
    zeroed: FrameStack,
    free: u64,
    reserved: u64,
    total: u64,
}

impl FrameAllocator {
    /// An allocator for frames below `limit`, with none free yet. `None`: the heap is too small for the map.
    pub fn new(limit: Frame) -> Option<Self> {
        let map = FreeMap::new(limit)?;
        Some(Self { map, cached: Vec::new(), processor: 0, zeroed: FrameStack::NONE, free: 0, reserved: 0, total: 0 })
    }

    /// Makes room for what each of so many processors keeps at hand, and for zeroed frames. `None`: the heap is too small.
    pub fn prepare(&mut self, processors: usize) -> Option<()> {
        self.zeroed = FrameStack::new(ZEROED_FRAMES)?;
        self.cached.try_reserve_exact(processors).ok()?;
        while self.cached.len() < processors {
            self.cached.push(FrameStack::new(CACHED_FRAMES)?);
        }
        Some(())
    }

    /// From now on this processor allocates and frees.
    #[inline]
    pub fn enter(&mut self, processor: usize) {
        self.processor = processor;
    }

    /// Adds usable frames; those outside of the allocator's limit or added before are ignored.
    pub fn add(&mut self, first: Frame, count: u64) {
        let added = self.map.add(first, count);
        self.total += added;
        self.free += added;
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
        let remaining = self.available().saturating_sub(PAGE_TABLE_HEADROOM);
        if count > remaining {
            return Err(OutOfFrames { requested: count, remaining });
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
            return Err(NO_FRAME);
        }
        self.take().ok_or(NO_FRAME)
    }

    /// As [`Self::allocate`], but the frame is zeroed: by `zero`, unless it was before.
    pub fn allocate_zeroed(&mut self, zero: impl FnOnce(Frame)) -> Result<Frame, OutOfFrames> {
        if self.available() == 0 {
            return Err(NO_FRAME);
        }
        self.take_zeroed(zero).ok_or(NO_FRAME)
    }

    /// One frame of those set aside by [`Self::reserve`], zeroed: by `zero`, unless it was before.
    pub fn allocate_reserved(&mut self, zero: impl FnOnce(Frame)) -> Option<Frame> {
        let frame = self.take_zeroed(zero)?;
        self.unreserve(1);
        Some(frame)
    }

    /// `count` neighbouring frames, the first one aligned to `count` rounded up to a power of two; at most [`LARGEST_RUN`]. They are
    /// looked for in the map alone: [`Self::gather`] brings others there.
    pub fn allocate_contiguous(&mut self, count: u64) -> Result<Frame, OutOfFrames> {
        let remaining = self.available().min(count.saturating_sub(1));
        let refusal = OutOfFrames { requested: count, remaining };
        if self.available() < count {
            return Err(refusal);
        }
        let run = self.map.take_run(count).ok_or(refusal)?;
        self.free -= count;
        Ok(run)
    }

    /// Whether [`Self::allocate_contiguous`] would find so many.
    pub fn has_run(&self, count: u64) -> bool {
        self.map.find_run(count).is_some()
    }

    /// Puts [`BATCH_FRAMES`] of the frames at hand back to their neighbours in the map, beginning with those of the processor with
    /// this number, and behind the last processor's those that were zeroed ahead; how far it came, `None` once nothing is left.
    pub fn gather(&mut self, from: usize) -> Option<usize> {
        let stacks = self.cached.iter_mut().chain([&mut self.zeroed]).enumerate();
        let (number, stack) = stacks.skip(from).find(|(_, stack)| !stack.is_empty())?;
        core::iter::from_fn(|| stack.pop()).take(BATCH_FRAMES).for_each(|frame| self.map.put(frame));
        Some(number)
    }

    /// Whether there are enough frames that were zeroed ahead.
    pub fn has_zeroed(&self) -> bool {
        self.zeroed.is_full()
    }

    /// Zeroes one more free frame ahead of its use; false: there are enough, or no others.
    pub fn zero_ahead(&mut self, zero: impl FnOnce(Frame)) -> bool {
        if self.zeroed.is_full() {
            return false;
        }
        let Some(frame) = self.map.take() else { return false };
        zero(frame);
        self.zeroed.push(frame)
    }

    /// Gives a frame back.
    pub fn free(&mut self, frame: Frame) {
        debug_assert!(!self.is_free(frame), "frame {frame:?} freed twice");
        self.free += 1;
        if !self.cached.get_mut(self.processor).is_some_and(|cached| cached.push(frame)) {
            self.put_back(frame);
        }
    }

    /// Gives neighbouring frames back.
    pub fn free_contiguous(&mut self, first: Frame, count: u64) {
        for frame in (0..count).map(|index| first.offset(index)) {
            debug_assert!(!self.is_free(frame), "frame {frame:?} freed twice");
        }
        self.free += self.map.add(first, count);
    }

    #[inline]
    fn take(&mut self) -> Option<Frame> {
        let cached = self.cached.get_mut(self.processor).and_then(FrameStack::pop);
        let frame = cached.or_else(|| self.fetch())?;
        self.free -= 1;
        Some(frame)
    }

    #[inline]
    fn take_zeroed(&mut self, zero: impl FnOnce(Frame)) -> Option<Frame> {
        if let Some(frame) = self.zeroed.pop() {
            self.free -= 1;
            return Some(frame);
        }
        self.take().inspect(|frame| zero(*frame))
    }

    /// A frame for a processor that has none at hand, and a few more for later: from the map, or else from whoever has one.
    #[cold]
    fn fetch(&mut self) -> Option<Frame> {
        if let Some(cached) = self.cached.get_mut(self.processor) {
            let batch = core::iter::from_fn(|| self.map.take()).take(BATCH_FRAMES);
            batch.for_each(|frame| {
                cached.push(frame);
            });
            if let Some(frame) = cached.pop() {
                return Some(frame);
            }
        }
        let others = self.cached.iter_mut().chain([&mut self.zeroed]);
        self.map.take().or_else(|| others.into_iter().find_map(FrameStack::pop))
    }

    /// Puts a frame into the map, and some of those that this processor has too many of.
    #[cold]
    fn put_back(&mut self, frame: Frame) {
        self.map.put(frame);
        if let Some(cached) = self.cached.get_mut(self.processor) {
            core::iter::from_fn(|| cached.pop()).take(BATCH_FRAMES).for_each(|frame| self.map.put(frame));
        }
    }

    fn is_free(&self, frame: Frame) -> bool {
        self.map.contains(frame) || self.cached.iter().chain([&self.zeroed]).any(|stack| stack.contains(frame))
    }
}
