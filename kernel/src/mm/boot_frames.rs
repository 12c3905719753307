//! Frames for the kernel itself, taken from the memory map before the core's frame allocator exists.

use super::{layout, wide};
use capos_abi::PAGE_BYTES;
use capos_abi::boot::{BootInfo, MemoryRegion};
use kernel_core::start::memory::{take_low, take_run};

/// What is left of the usable memory.
pub struct BootFrames<'a> {
    info: &'a mut BootInfo,
}

impl<'a> BootFrames<'a> {
    /// Takes from the usable regions of `info`, which shrink.
    pub fn new(info: &'a mut BootInfo) -> BootFrames<'a> {
        BootFrames { info }
    }

    /// What the firmware and the loader said, with usable regions as they are now.
    pub fn info(&self) -> &BootInfo {
        self.info
    }

    /// The memory map.
    pub fn regions(&self) -> &[MemoryRegion] {
        self.info.memory_map.get(..self.info.region_count as usize).unwrap_or_default()
    }

    /// A zeroed frame; its physical address.
    pub fn take(&mut self) -> u64 {
        let physical = self.take_run(1);
        // SAFETY: the frame is usable memory that nobody has, and the direct map reaches it.
        unsafe { wide::zero_page(layout::direct(physical) as *mut u64) };
        physical
    }

    /// Neighbouring frames with whatever is in them; the physical address of the first.
    pub fn take_run(&mut self, frames: u64) -> u64 {
        let Some(first) = take_run(&mut self.info.memory_map, frames) else {
            let bytes = frames * PAGE_BYTES;
            crate::panic::refuse(format_args!("the kernel needs {} KiB of memory and finds none", bytes >> 10));
        };
        first
    }

    /// A frame below 1 MiB, if there is one besides frame 0.
    pub fn take_low(&mut self) -> Option<u64> {
        take_low(&mut self.info.memory_map)
    }
}
