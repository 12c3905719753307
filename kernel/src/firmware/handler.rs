//! The `acpi` crate's access to memory: it works on copies, which are as long as it expects, whatever the table says.
//!
//! This file needs nothing of the kernel's, so that the very same code reads hostile tables on the host.

use acpi::{AcpiTables, Handler, PciAddress, PhysicalMapping};
use alloc::boxed::Box;
use alloc::vec;
use core::ptr::{self, NonNull};
use kernel_core::machine::firmware::Firmware;
use kernel_core::machine::tables::{BadTable, MAX_TABLE_BYTES, Memory, check};

const WORD_BYTES: usize = size_of::<u64>();
/// Bytes before a copy: the addresses behind a root table's header of 36 bytes are read as if they were aligned.
const LEAD_BYTES: usize = 4;

/// Checks the tables behind the root pointer at this address, then reads them.
pub fn read<M: Memory + Copy>(memory: M, root_pointer: u64) -> Result<Firmware, BadTable> {
    let root = check(&memory, root_pointer)?;
    // SAFETY: `check` has found a root table there, and everything in it that is read.
    let tables = unsafe { AcpiTables::from_rsdt(Copies { memory }, root.revision, root.address as usize) };
    Ok(tables.map(|tables| Firmware::of(root, &tables, &memory)).unwrap_or_default())
}

/// Copies of tables.
#[derive(Clone, Copy)]
struct Copies<M> {
    memory: M,
}

/// Only an interpreter of ACPI's byte code, which the kernel has none of, calls anything but the mapping of tables: writes do
/// nothing, and reads give zero.
impl<M: Memory + Copy> Handler for Copies<M> {
    unsafe fn map_physical_region<T>(&self, physical: usize, size: usize) -> PhysicalMapping<Self, T> {
        let size = size.min(MAX_TABLE_BYTES as usize);
        let bytes = self.memory.bytes(physical as u64, size as u64).unwrap_or_default();
        let copy = vec![0u64; (LEAD_BYTES + size.max(size_of::<T>())).div_ceil(WORD_BYTES)].into_boxed_slice();
        let mapped_length = copy.len() * WORD_BYTES;
        // SAFETY: the box is longer than the lead and the bytes, and nobody else has it.
        let virtual_start = unsafe {
            let start = Box::into_raw(copy).cast::<u8>().add(LEAD_BYTES);
            start.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            NonNull::new_unchecked(start.cast())
        };
        PhysicalMapping { physical_start: physical, virtual_start, region_length: size, mapped_length, handler: *self }
    }

    fn unmap_physical_region<T>(region: &PhysicalMapping<Self, T>) {
        // SAFETY: `map_physical_region` made it of a box of that many words, behind a lead; and a mapping ends once.
        drop(unsafe {
            let words = region.virtual_start.as_ptr().byte_sub(LEAD_BYTES).cast::<u64>();
            Box::from_raw(ptr::slice_from_raw_parts_mut(words, region.mapped_length / WORD_BYTES))
        });
    }

    fn read_u8(&self, _: usize) -> u8 {
        0
    }
    fn read_u16(&self, _: usize) -> u16 {
        0
    }
    fn read_u32(&self, _: usize) -> u32 {
        0
    }
    fn read_u64(&self, _: usize) -> u64 {
        0
    }

    fn write_u8(&self, _: usize, _: u8) {}
    fn write_u16(&self, _: usize, _: u16) {}
    fn write_u32(&self, _: usize, _: u32) {}
    fn write_u64(&self, _: usize, _: u64) {}

    fn read_io_u8(&self, _: u16) -> u8 {
        0
    }
    fn read_io_u16(&self, _: u16) -> u16 {
        0
    }
    fn read_io_u32(&self, _: u16) -> u32 {
        0
    }

    fn write_io_u8(&self, _: u16, _: u8) {}
    fn write_io_u16(&self, _: u16, _: u16) {}
    fn write_io_u32(&self, _: u16, _: u32) {}

    fn read_pci_u8(&self, _: PciAddress, _: u16) -> u8 {
        0
    }
    fn read_pci_u16(&self, _: PciAddress, _: u16) -> u16 {
        0
    }
    fn read_pci_u32(&self, _: PciAddress, _: u16) -> u32 {
        0
    }

    fn write_pci_u8(&self, _: PciAddress, _: u16, _: u8) {}
    fn write_pci_u16(&self, _: PciAddress, _: u16, _: u16) {}
    fn write_pci_u32(&self, _: PciAddress, _: u16, _: u32) {}

    fn nanos_since_boot(&self) -> u64 {
        0
    }
    fn stall(&self, _: u64) {}
    fn sleep(&self, _: u64) {}
}
