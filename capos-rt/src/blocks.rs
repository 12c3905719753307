//! Small blocks of memory that a thread keeps for itself: taking and giving one costs a few instructions and no lock.
//!
//! The heap stands behind it: blocks come from there, and those that find no room here go back.
use core::alloc::Layout;
use core::cell::Cell;
use core::ptr;

/// Bytes by which the sizes of blocks differ; their alignment, too.
const STEP_BYTES: usize = 16;
/// Sizes of blocks.
const SIZES: usize = 32;
/// Blocks of one size that a thread keeps, at most.
const MAX_KEPT: u8 = 8;

/// The size of a small block, as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(usize);

impl Size {
    /// That of the blocks that serve for such values; `None`: they are not small.
    #[inline]
    pub fn of(layout: Layout) -> Option<Self> {
        let number = layout.size().div_ceil(STEP_BYTES).saturating_sub(1);
        (number < SIZES && layout.align() <= STEP_BYTES).then_some(Self(number))
    }

    /// What the heap is asked for.
    #[inline]
    pub const fn layout(self) -> Layout {
        // SAFETY: a power of two, and far from the largest size.
        unsafe { Layout::from_size_align_unchecked((self.0 + 1) * STEP_BYTES, STEP_BYTES) }
    }
}

/// The blocks that a thread keeps.
pub struct Blocks {
    lists: [List; SIZES],
}

struct List {
    first: Cell<*mut Block>,
    count: Cell<u8>,
}

/// A block that nobody uses.
struct Block {
    next: *mut Block,
}

impl Blocks {
    /// None.
    pub const fn new() -> Self {
        Self { lists: [const { List { first: Cell::new(ptr::null_mut()), count: Cell::new(0) } }; SIZES] }
    }

    /// Takes a block of this size; null: there is none.
    #[inline]
    pub fn take(&self, size: Size) -> *mut u8 {
        let list = &self.lists[size.0];
        let block = list.first.get();
        if !block.is_null() {
            // SAFETY: what is in a list was given to it, and nobody else uses it.
            list.first.set(unsafe { (*block).next });
            list.count.set(list.count.get() - 1);
        }
        block.cast()
    }

    /// Keeps a block; false: there are enough of its size.
    ///
    /// # Safety
    /// The block is of this size, and nobody uses it any more if it was kept.
    #[inline]
    pub unsafe fn keep(&self, block: *mut u8, size: Size) -> bool {
        let list = &self.lists[size.0];
        let fits = list.count.get() < MAX_KEPT;
        if fits {
            let block = block.cast::<Block>();
            // SAFETY: the caller gave the block up, which is large enough and aligned.
            unsafe { block.write(Block { next: list.first.get() }) };
            list.first.set(block);
            list.count.set(list.count.get() + 1);
        }
        fits
    }

    /// Gives every block up.
    pub fn give_up(&self, mut each: impl FnMut(*mut u8, Size)) {
        for size in (0..SIZES).map(Size) {
            while let block = self.take(size)
                && !block.is_null()
            {
                each(block, size);
            }
        }
    }
}

impl Default for Blocks {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    extern crate std;
    use alloc::alloc::{alloc, dealloc};
    use proptest::prelude::*;
    use std::vec::Vec;

    #[test]
    fn a_size_holds_what_it_is_for() {
        for (bytes, align) in (0..600).flat_map(|bytes| [1, 8, 16, 32].map(|align| (bytes, align))) {
            let layout = Layout::from_size_align(bytes, align).expect("a layout");
            match Size::of(layout) {
                Some(size) => {
                    assert!(size.layout().size() >= bytes.max(1) && size.layout().align() >= align, "{layout:?}");
                    assert_eq!(Size::of(size.layout()), Some(size));
                }
                None => assert!(bytes > SIZES * STEP_BYTES || align > STEP_BYTES, "{layout:?}"),
            }
        }
    }

    proptest! {
        #[test]
        fn every_block_has_one_owner(steps in prop::collection::vec((1usize..700, any::<bool>()), 1..300)) {
            let blocks = Blocks::new();
            let mut used: Vec<(*mut u8, Size)> = Vec::new();
            for (bytes, takes) in steps {
                let size = Size::of(Layout::from_size_align(bytes, 8).expect("a layout"));
                match size.filter(|_| takes) {
                    Some(size) => {
                        let kept = blocks.take(size);
                        // SAFETY: the layout has a size.
                        let block = if kept.is_null() { unsafe { alloc(size.layout()) } } else { kept };
                        prop_assert!(used.iter().all(|(other, _)| *other != block));
                        // SAFETY: the block is as long as its size says.
                        unsafe { block.write_bytes(0xff, size.layout().size()) };
                        used.push((block, size));
                    }
                    None if used.is_empty() => {}
                    None => {
                        let (block, size) = used.swap_remove(bytes % used.len());
                        // SAFETY: the block is of this size and came from the allocator.
                        unsafe { if !blocks.keep(block, size) { dealloc(block, size.layout()) } };
                    }
                }
                let counts = blocks.lists.iter().map(|list| list.count.get());
                prop_assert!(counts.max() <= Some(MAX_KEPT));
            }
            // SAFETY: as above.
            used.drain(..).for_each(|(block, size)| unsafe { dealloc(block, size.layout()) });
            // SAFETY: as above.
            blocks.give_up(|block, size| unsafe { dealloc(block, size.layout()) });
            prop_assert!(blocks.lists.iter().all(|list| list.first.get().is_null() && list.count.get() == 0));
        }
    }
}
