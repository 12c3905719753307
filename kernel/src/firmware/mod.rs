//! The firmware's tables, and the loader's list of devices, read through the direct map; what they say goes to the log.

mod handler;

use crate::mm::boot_frames::BootFrames;
use crate::mm::kernel_space;
use crate::mm::layout;
use capos_abi::boot::MemoryRegion;
use core::slice;
use kernel_core::machine::firmware::Firmware;
use kernel_core::machine::tables::Memory;
use kernel_core::machine::{mp, virtio};

/// Memory below this address is in the direct map, whatever the memory map says of it: pages there have 2 MiB.
const LOW_END: u64 = 1 << 20;

/// What the tables say: those of ACPI, else those of the MultiProcessor Specification. Broken ACPI tables end the boot.
pub fn read(frames: &BootFrames) -> Firmware {
    let root_pointer = frames.info().rsdp;
    let memory = DirectMap { regions: frames.regions() };
    if root_pointer == 0 {
        return mp::read(&memory).unwrap_or_else(|| {
            crate::log!("boot: there are no tables of processors and interrupts: only this processor runs");
            Firmware::default()
        });
    }
    match handler::read(memory, root_pointer) {
        Ok(firmware) => firmware,
        Err(bad) => crate::panic::refuse(format_args!("{bad}")),
    }
}

/// Logs what the tables say of buses and devices, for which nothing in the kernel itself has a use.
pub fn log(firmware: &Firmware) {
    firmware.broken.iter().for_each(|bad| crate::log!("boot: {bad}: it is not used"));
    firmware.config_windows.iter().for_each(|window| crate::log!("boot: {window}"));
    firmware.remapping.units.iter().for_each(|unit| crate::log!("boot: {unit}"));
    firmware.remapping.reserved.iter().for_each(|region| crate::log!("boot: {region}"));
}

/// Logs the devices that the command line names; a device manager finds them there.
pub fn log_devices(frames: &BootFrames) {
    let info = frames.info();
    let line = info.command_line.get(..info.command_line_bytes as usize).unwrap_or_default();
    for device in virtio::devices(str::from_utf8(line).unwrap_or_default()) {
        let virtio::Device { address, bytes, interrupt } = device;
        crate::log!("boot: virtio device at {address:#x}, {bytes} bytes, interrupt {interrupt}");
    }
}

/// What the direct map holds.
#[derive(Clone, Copy)]
struct DirectMap<'a> {
    regions: &'a [MemoryRegion],
}

impl Memory for DirectMap<'_> {
    fn bytes(&self, address: u64, count: u64) -> Option<&[u8]> {
        let mapped = address.saturating_add(count) <= LOW_END || kernel_space::is_mapped(self.regions, address, count);
        // SAFETY: there is memory, and nobody writes to the firmware's tables.
        mapped.then(|| unsafe { slice::from_raw_parts(layout::direct(address) as *const u8, count as usize) })
    }
}
