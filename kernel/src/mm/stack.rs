//! The kernel's stacks: a few for each processor, each between unmapped guard pages.

use super::boot_frames::BootFrames;
use super::kernel_space::KernelSpace;
use super::layout::{self, STACKS};
use capos_abi::PAGE_BYTES;
use core::ops::Range;

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
    let boot_guard = layout::boot_guard_page();
    is_stack(address) && !mapped(address).contains(&address) || (boot_guard..boot_guard + PAGE_BYTES).contains(&address)
}

/// The words of the stack in use above this stack pointer.
pub fn used(pointer: u64) -> Range<u64> {
    // The stack that the boot processor starts on lies in the image.
    let boot = layout::boot_guard_page() + PAGE_BYTES..layout::image().data.1;
    let stack = if is_stack(pointer) { mapped(pointer) } else { boot };
    pointer.next_multiple_of(8).max(stack.start)..stack.end
}

fn is_stack(address: u64) -> bool {
    (STACKS..STACKS + kernel_core::MAX_PROCESSORS as u64 * STACKS_PER_CPU * SLOT_BYTES).contains(&address)
}

/// The part of an address's slot that is mapped.
fn mapped(address: u64) -> Range<u64> {
    let slot = (address - STACKS) / SLOT_BYTES;
    let pages = if slot.is_multiple_of(STACKS_PER_CPU) { KERNEL_PAGES } else { INTERRUPT_PAGES };
    let end = STACKS + (slot + 1) * SLOT_BYTES - PAGE_BYTES;
    end - pages * PAGE_BYTES..end
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
