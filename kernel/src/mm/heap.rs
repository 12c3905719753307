//! The kernel's heap: a fixed part of memory, set aside at boot. Whoever allocates from it for a program charges a ledger first, reserves,
//! and turns a refusal into an error for that program.
//!
//! Two-level segregated fit: to allocate and to free take the same few steps, however many holes there are, because interrupts are
//! off meanwhile.

use super::boot_frames::BootFrames;
use super::layout;
use capos_abi::PAGE_BYTES;
use capos_abi::boot::memory;
use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU64, Ordering};
use rlsf::Tlsf;
use spin::Mutex;

/// The heap's share of usable memory.
const MEMORY_PER_HEAP: u64 = 32;
/// Bytes of the heap at least.
const MIN_BYTES: u64 = 4 << 20;
/// Bytes of the heap at most.
const MAX_BYTES: u64 = 64 << 20;

/// Classes of sizes: powers of two from a few words up to [`MAX_BYTES`], each in 16 parts.
const POWERS: usize = 22;
const PARTS: usize = 16;

const _: () = assert!(rlsf::GRANULARITY << POWERS > MAX_BYTES as usize, "the largest block has a class");

struct Heap(Mutex<Tlsf<'static, u32, u16, POWERS, PARTS>>);

#[global_allocator]
static HEAP: Heap = Heap(Mutex::new(Tlsf::new()));

/// How large it is.
static BYTES: AtomicU64 = AtomicU64::new(0);

/// Bytes of the heap, used or not.
pub fn bytes() -> u64 {
    BYTES.load(Ordering::Relaxed)
}

/// Sets the heap's memory aside.
pub fn init(frames: &mut BootFrames) {
    let usable: u64 =
        frames.regions().iter().filter(|region| region.kind == memory::USABLE).map(|region| region.bytes).sum();
    let pages = (usable / MEMORY_PER_HEAP).clamp(MIN_BYTES, MAX_BYTES) / PAGE_BYTES;
    BYTES.store(pages * PAGE_BYTES, Ordering::Relaxed);
    let start = layout::direct(frames.take_run(pages)) as *mut u8;
    let block = ptr::slice_from_raw_parts_mut(start, (pages * PAGE_BYTES) as usize);
    if let Some(block) = NonNull::new(block) {
        // SAFETY: the frames are the heap's alone from now on, and the direct map reaches them.
        unsafe { HEAP.0.lock().insert_free_block_ptr(block) };
    }
}

// SAFETY: `Tlsf` gives out memory that nothing else uses, as large and as aligned as asked for.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.0.lock().allocate(layout).map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if let Some(block) = NonNull::new(block) {
            // SAFETY: the caller gives back what `alloc` gave it, with the same alignment.
            unsafe { self.0.lock().deallocate(block, layout.align()) };
        }
    }
}
