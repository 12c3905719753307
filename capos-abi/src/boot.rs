//! What every way of booting tells the kernel.

use core::mem::size_of;

/// Regions of the memory map at most.
pub const MAX_MEMORY_REGIONS: usize = 128;

/// Bytes of the kernel command line at most.
pub const MAX_COMMAND_LINE_BYTES: usize = 1024;

/// A region of physical memory.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryRegion {
    /// First physical address.
    pub start: u64,
    /// Bytes.
    pub bytes: u64,
    /// One of [`memory`].
    pub kind: u64,
}

const _: () = assert!(size_of::<MemoryRegion>() == 24);

/// Kinds of memory regions.
pub mod memory {
    /// Free for the kernel's use.
    pub const USABLE: u64 = 1;
    /// Not to be touched.
    pub const RESERVED: u64 = 2;
    /// ACPI tables; usable once they have been read.
    pub const ACPI_RECLAIMABLE: u64 = 3;
    /// Holds kernel, boot package or boot data.
    pub const LOADED: u64 = 4;
}

/// Everything the kernel needs to know of the machine it woke up on.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct BootInfo {
    /// Number of valid entries in `memory_map`.
    pub region_count: u64,
    /// Memory map, sorted, without overlaps.
    pub memory_map: [MemoryRegion; MAX_MEMORY_REGIONS],
    /// Physical address of the ACPI root pointer, 0 = none.
    pub rsdp: u64,
    /// Physical address of the boot package, page-aligned, 0 = none.
    pub package: u64,
    /// Bytes of the boot package.
    pub package_bytes: u64,
    /// Physical address at which the kernel image starts.
    pub kernel_start: u64,
    /// Physical address behind the kernel image.
    pub kernel_end: u64,
    /// Bytes of the command line.
    pub command_line_bytes: u64,
    /// Command line in UTF-8.
    pub command_line: [u8; MAX_COMMAND_LINE_BYTES],
}

const _: () = assert!(size_of::<BootInfo>() == 4152);
