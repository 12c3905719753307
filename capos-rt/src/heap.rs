//! The heap: `dlmalloc` over one range of addresses, committed as it grows and given back as it shrinks. Before it stand
//! the small [`Blocks`] that each thread keeps.
use crate::blocks::{Blocks, Size};
use crate::lock::Mutex;
use crate::{objects, thread};
use capos_abi::PAGE_BYTES;
use core::alloc::Layout;
use core::cell::Cell;
use core::ptr;
use dlmalloc::{Allocator, Dlmalloc};

/// Bytes of addresses that the heap may use; only what is committed costs anything.
const ADDRESS_BYTES: usize = 64 << 30;

static HEAP: Mutex<Dlmalloc<Pages>> = Mutex::new(Dlmalloc::new_with_allocator(Pages::new()));

/// The calling thread's blocks.
#[thread_local]
static BLOCKS: Blocks = Blocks::new();

/// Memory for a value, or null.
#[inline]
pub fn allocate(layout: Layout) -> *mut u8 {
    let block = Size::of(layout).map_or(ptr::null_mut(), |size| BLOCKS.take(size));
    if block.is_null() { allocate_anew(layout) } else { block }
}

#[cold]
fn allocate_anew(layout: Layout) -> *mut u8 {
    let layout = whole(layout);
    // SAFETY: any size and alignment may be asked for.
    unsafe { HEAP.lock().malloc(layout.size(), layout.align()) }
}

/// Gives memory back.
///
/// # Safety
/// `memory` is from [`allocate`] or [`reallocate`] with this layout and is used no more.
#[inline]
pub unsafe fn free(memory: *mut u8, layout: Layout) {
    // SAFETY: promised by the caller; memory of such a layout is a block of its size.
    if Size::of(layout).is_none_or(|size| unsafe { !BLOCKS.keep(memory, size) }) {
        // SAFETY: promised by the caller.
        unsafe { give_back(memory, whole(layout)) }
    }
}

/// Gives back what the calling thread keeps for itself.
pub(crate) fn flush() {
    // SAFETY: blocks came from the heap with this layout.
    BLOCKS.give_up(|block, size| unsafe { give_back(block, size.layout()) });
}

/// # Safety
/// `memory` came from the heap with this layout and is used no more.
#[cold]
unsafe fn give_back(memory: *mut u8, layout: Layout) {
    // SAFETY: promised by the caller.
    unsafe { HEAP.lock().free(memory, layout.size(), layout.align()) }
}

/// What the heap is asked for in place of a layout.
#[inline]
fn whole(layout: Layout) -> Layout {
    Size::of(layout).map_or(layout, Size::layout)
}

/// Memory of another size with the same content, or null; then the old memory remains.
///
/// # Safety
/// `memory` is from [`allocate`] or [`reallocate`] with this layout, and `bytes` are a valid size for its alignment.
#[inline]
pub unsafe fn reallocate(memory: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
    // SAFETY: `GlobalAlloc::realloc` lets its callers only ask for sizes that are valid with the alignment.
    let wanted = unsafe { Layout::from_size_align_unchecked(bytes, layout.align()) };
    let (old, new) = (whole(layout), whole(wanted));
    if old == new {
        return memory;
    }
    // SAFETY: promised by the caller.
    unsafe { HEAP.lock().realloc(memory, old.size(), old.align(), new.size()) }
}

/// The committed part of the heap's addresses: from `start` to `end`.
struct Pages {
    start: Cell<usize>,
    end: Cell<usize>,
}

impl Pages {
    const fn new() -> Self {
        Self { start: Cell::new(0), end: Cell::new(0) }
    }

    fn reserve(&self) -> Option<()> {
        if self.start.get() == 0 {
            let start = objects::reserve(ADDRESS_BYTES as u64).ok()? as usize;
            self.start.set(start);
            self.end.set(start);
        }
        Some(())
    }

    fn grow(&self, bytes: usize) -> Option<*mut u8> {
        self.reserve()?;
        let old = self.end.get();
        let end = old.checked_add(bytes).filter(|end| end - self.start.get() <= ADDRESS_BYTES)?;
        thread::or_give_back(|| objects::commit(old as u64, bytes as u64)).ok()?;
        self.end.set(end);
        Some(ptr::with_exposed_provenance_mut(old))
    }

    /// Decommits everything from `end` on; `old_end` must be where the committed part ends now.
    fn shrink(&self, end: usize, old_end: usize) -> bool {
        if old_end != self.end.get() || objects::decommit(end as u64, (old_end - end) as u64).is_err() {
            return false;
        }
        self.end.set(end);
        true
    }
}

// SAFETY: the regions are fresh, zeroed, writable pages that nobody else uses.
unsafe impl Allocator for Pages {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        (self.grow(size).unwrap_or(ptr::null_mut()), size, 0)
    }

    fn remap(&self, _: *mut u8, _: usize, _: usize, _: bool) -> *mut u8 {
        ptr::null_mut()
    }

    fn free_part(&self, region: *mut u8, old_size: usize, new_size: usize) -> bool {
        self.shrink(region as usize + new_size, region as usize + old_size)
    }

    fn free(&self, region: *mut u8, size: usize) -> bool {
        self.shrink(region as usize, region as usize + size)
    }

    fn can_release_part(&self, _: u32) -> bool {
        true
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        PAGE_BYTES as usize
    }
}
