//! The firmware's tables, read through the direct map.

mod handler;

use crate::mm::boot_frames::BootFrames;
use crate::mm::kernel_space;
use crate::mm::layout;
use capos_abi::boot::MemoryRegion;
use core::slice;
use kernel_core::machine::firmware::Firmware;
use kernel_core::machine::tables::Memory;

/// What the tables say. A machine without a root pointer has none; one that is broken does not start.
pub fn read(frames: &BootFrames) -> Firmware {
    let root_pointer = frames.info().rsdp;
    if root_pointer == 0 {
        return Firmware::default();
    }
    match handler::read(DirectMap { regions: frames.regions() }, root_pointer) {
        Ok(firmware) => firmware,
        Err(bad) => crate::panic::refuse(format_args!("{bad}")),
    }
}

/// What the direct map holds.
#[derive(Clone, Copy)]
struct DirectMap<'a> {
    regions: &'a [MemoryRegion],
}

impl Memory for DirectMap<'_> {
    fn bytes(&self, address: u64, count: u64) -> Option<&[u8]> {
        let mapped = kernel_space::is_mapped(self.regions, address, count);
        // SAFETY: there is memory, and nobody writes to the firmware's tables.
        mapped.then(|| unsafe { slice::from_raw_parts(layout::direct(address) as *const u8, count as usize) })
    }
}
