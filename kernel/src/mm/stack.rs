//! The kernel's stacks: a few for each processor, each between unmapped guard pages.

use super::boot_frames::BootFrames;
use super::kernel_space::KernelSpace;
use super::layout::{self, STACKS};
use capos_abi::PAGE_BYTES;

/// Pages of the stack that the kernel runs on.
const KERNEL_PAGES: u64 = 16;
/// Pages of each stack for an exception that needs its own.
const INTERRUPT_PAGES: u64 = 4;
/// Addresses set aside for each stack; what is not mapped guards it.
const SLOT_BYTES: u64 = 128 << 10;
/// Stacks of one processor.
const STACKS_PER_CPU: u64 = 4;

/// The stacks of one processor: the address behind the last byte of each.
pub struct CpuStacks {
    /// The stack that the kernel runs on.
    pub kernel: u64,
    /// Stacks for double fault, non-maskable interrupt and machine check.
    pub interrupt: [u64; 3],
}

impl CpuStacks {
    /// Maps the stacks of the processor with this index.
    pub fn map(index: usize, space: &mut KernelSpace, frames: &mut BootFrames) -> CpuStacks {
        let first = STACKS + index as u64 * STACKS_PER_CPU * SLOT_BYTES;
        let kernel = map_stack(first, KERNEL_PAGES, space, frames);
        let interrupt = [1, 2, 3].map(|slot| map_stack(first + slot * SLOT_BYTES, INTERRUPT_PAGES, space, frames));
        CpuStacks { kernel, interrupt }
    }
}

/// Whether an address lies in a guard page: an access there is a stack overflow.
pub fn is_guard(address: u64) -> bool {
    const KERNEL_GUARD: u64 = SLOT_BYTES - (KERNEL_PAGES + 1) * PAGE_BYTES;
    let all = STACKS..STACKS + kernel_core::MAX_PROCESSORS as u64 * STACKS_PER_CPU * SLOT_BYTES;
    all.contains(&address) && (address - STACKS) % SLOT_BYTES < KERNEL_GUARD
}

/// Maps a stack that ends one page before the end of its slot.
fn map_stack(slot: u64, pages: u64, space: &mut KernelSpace, frames: &mut BootFrames) -> u64 {
    let end = slot + SLOT_BYTES - PAGE_BYTES;
    for page in 1..=pages {
        let physical = frames.take_run(1);
        space.map_page(end - page * PAGE_BYTES, physical, frames);
    }
    end
}

/// Where the stack that holds this address ends: one of these, or the one that the boot processor starts on.
pub fn end_of(address: u64) -> u64 {
    if (STACKS..layout::KERNEL).contains(&address) {
        return address / SLOT_BYTES * SLOT_BYTES + SLOT_BYTES - PAGE_BYTES;
    }
    layout::image().data.1
}
