//! The kernel's heap: a fixed part of memory, set aside at boot. Whoever allocates from it for a program reserves first and
//! turns a refusal into an error for that program.

use super::boot_frames::BootFrames;
use super::layout;
use capos_abi::PAGE_BYTES;
use capos_abi::boot::memory;
use linked_list_allocator::LockedHeap;

/// The heap's share of usable memory.
const MEMORY_PER_HEAP: u64 = 32;
/// Bytes of the heap at least.
const MIN_BYTES: u64 = 4 << 20;
/// Bytes of the heap at most.
const MAX_BYTES: u64 = 64 << 20;

#[global_allocator]
static HEAP: LockedHeap = LockedHeap::empty();

/// Sets the heap's memory aside.
pub fn init(frames: &mut BootFrames) {
    let usable: u64 =
        frames.regions().iter().filter(|region| region.kind == memory::USABLE).map(|region| region.bytes).sum();
    let pages = (usable / MEMORY_PER_HEAP).clamp(MIN_BYTES, MAX_BYTES) / PAGE_BYTES;
    let start = layout::direct(frames.take_run(pages));
    // SAFETY: the frames are the heap's alone from now on, and the direct map reaches them.
    unsafe { HEAP.lock().init(start as *mut u8, (pages * PAGE_BYTES) as usize) };
}
