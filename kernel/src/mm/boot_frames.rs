//! Frames for the kernel itself, taken from the memory map before the core's frame allocator exists.

use super::{layout, wide};
use capos_abi::PAGE_BYTES;
use capos_abi::boot::{BootInfo, MemoryRegion, memory};

/// The boot page tables reach so far.
const REACH: u64 = 4 << 30;
/// Processors start below this address.
const LOW_END: u64 = 1 << 20;

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
        let bytes = frames * PAGE_BYTES;
        let fits = |region: &&mut MemoryRegion| {
            region.kind == memory::USABLE
                && region.start >= LOW_END
                && region.bytes >= bytes
                && region.start + bytes <= REACH
        };
        let Some(region) = self.info.memory_map.iter_mut().filter(fits).max_by_key(|region| region.bytes) else {
            crate::panic::refuse(format_args!("the kernel needs {} KiB of memory and finds none", bytes >> 10));
        };
        let physical = region.start;
        region.start += bytes;
        region.bytes -= bytes;
        physical
    }

    /// A frame below 1 MiB, if there is one besides frame 0.
    pub fn take_low(&mut self) -> Option<u64> {
        let fits = |region: &&mut MemoryRegion| {
            region.kind == memory::USABLE && region.bytes > PAGE_BYTES && region.start + region.bytes <= LOW_END
        };
        let region = self.info.memory_map.iter_mut().find(fits)?;
        region.bytes -= PAGE_BYTES;
        Some(region.start + region.bytes)
    }
}
