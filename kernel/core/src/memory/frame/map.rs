//! The map of free frames: for each power of two up to the largest ring area, which aligned blocks of so many frames are free. One frame
//! and a run of neighbours are found in a few steps, however much of the memory is used and in however small pieces the rest lies.
use super::bit_tree::{BitTree, WORD, parts};
use super::{FRAME_BYTES, Frame};
use alloc::vec::Vec;
use capos_abi::ring::MAX_AREA_BYTES;

/// Frames of the largest run that is found.
pub const LARGEST_RUN: u64 = MAX_AREA_BYTES as u64 / FRAME_BYTES;
/// Sizes of blocks: 1 frame, 2, 4, ... up to the largest run.
const ORDERS: u32 = LARGEST_RUN.ilog2() + 1;

/// Which frames are free.
pub struct FreeMap {
    /// For each order, the numbers of the blocks of `1 << order` frames of which every one is free.
    orders: Vec<BitTree>,
    /// No frame before this one is free.
    first: u64,
}

impl FreeMap {
    /// A map of the frames below `limit`, with none free. `None`: the heap is too small.
    pub fn new(limit: Frame) -> Option<Self> {
        let mut orders = Vec::new();
        orders.try_reserve_exact(ORDERS as usize).ok()?;
        for order in 0..ORDERS {
            orders.push(BitTree::new(limit.0.div_ceil(1 << order))?);
        }
        Some(Self { orders, first: 0 })
    }

    /// Adds frames; how many were not free before. Those outside of the map are ignored.
    pub fn add(&mut self, first: Frame, count: u64) -> u64 {
        let Some(frames) = self.orders.first_mut() else { return 0 };
        let (start, end) = (first.0, first.0.saturating_add(count).min(frames.end()));
        if start >= end {
            return 0;
        }
        let mut added = 0;
        // A word at a time: large machines have millions of frames.
        for (index, bits) in parts(start, end - 1) {
            added += u64::from((bits & !frames.word(index)).count_ones());
            frames.set(index, bits);
        }
        self.first = self.first.min(start);
        self.raise(start, end - 1);
        added
    }

    /// Takes the first free frame.
    pub fn take(&mut self) -> Option<Frame> {
        let frame = self.orders.first()?.next(self.first)?;
        self.first = frame + 1;
        let mut block = frame;
        for blocks in &mut self.orders {
            // What is larger was not whole either.
            if !blocks.contains(block) {
                break;
            }
            blocks.clear(block / WORD, 1 << (block % WORD));
            block /= 2;
        }
        Some(Frame(frame))
    }

    /// Where `count` free neighbours lie: the start of a free block of at least so many.
    pub fn find_run(&self, count: u64) -> Option<Frame> {
        let order = count.checked_next_power_of_two()?.ilog2();
        let block = self.orders.get(order as usize)?.next(self.first >> order)?;
        Some(Frame(block << order))
    }

    /// Takes `count` free neighbours, the first one aligned to `count` rounded up to a power of two.
    pub fn take_run(&mut self, count: u64) -> Option<Frame> {
        let run = self.find_run(count)?;
        let last = run.0 + count.checked_sub(1)?;
        for (order, blocks) in self.orders.iter_mut().enumerate() {
            parts(run.0 >> order, last >> order).for_each(|(index, bits)| blocks.clear(index, bits));
        }
        Some(run)
    }

    /// Puts a frame back.
    pub fn put(&mut self, frame: Frame) {
        let mut block = frame.0;
        for blocks in &mut self.orders {
            blocks.set(block / WORD, 1 << (block % WORD));
            let other_half = block ^ 1;
            if !blocks.contains(other_half) {
                break;
            }
            block /= 2;
        }
        self.first = self.first.min(frame.0);
    }

    /// Whether a frame is free.
    pub fn contains(&self, frame: Frame) -> bool {
        self.orders.first().is_some_and(|frames| frames.contains(frame.0))
    }

    /// Finds the blocks that became whole when the frames `first..=last` were added.
    fn raise(&mut self, first: u64, last: u64) {
        for order in 1..self.orders.len() {
            let (smaller, larger) = self.orders.split_at_mut(order);
            let (Some(halves), Some(blocks)) = (smaller.last(), larger.first_mut()) else { return };
            let mut is_any_whole = false;
            for (index, bits) in parts(first >> order, last >> order) {
                let whole = whole_pairs(halves.word(2 * index)) | whole_pairs(halves.word(2 * index + 1)) << (WORD / 2);
                blocks.set(index, whole & bits);
                is_any_whole |= whole & bits != 0;
            }
            if !is_any_whole {
                return;
            }
        }
    }
}

/// A bit for each pair of neighbouring bits, in the lower half: whether both are set.
fn whole_pairs(word: u64) -> u64 {
    let mut pairs = word & word >> 1 & 0x5555_5555_5555_5555;
    pairs = (pairs | pairs >> 1) & 0x3333_3333_3333_3333;
    pairs = (pairs | pairs >> 2) & 0x0f0f_0f0f_0f0f_0f0f;
    pairs = (pairs | pairs >> 4) & 0x00ff_00ff_00ff_00ff;
    pairs = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
    (pairs | pairs >> 16) & 0x0000_0000_ffff_ffff
}
