//! What every way of booting tells the kernel.

use core::mem::size_of;

/// Regions of the memory map at most.
pub const MAX_MEMORY_REGIONS: usize = 128;

/// Bytes of the kernel command line at most.
pub const MAX_COMMAND_LINE_BYTES: usize = 1024;

/// The kernel is linked at this virtual address, and lies there or above, within [`SLIDE_WINDOW`].
pub const KERNEL_ADDRESS: u64 = 0xffff_ffff_8000_0000;

/// Bytes of the window that the kernel may lie in.
pub const SLIDE_WINDOW: u64 = 2 << 30;

/// The loaders of this tree move the kernel by a multiple of so many bytes.
pub const SLIDE_STEP: u64 = 2 << 20;

/// Word of the command line that leaves the kernel at [`KERNEL_ADDRESS`].
pub const KASLR_OFF: &str = "kaslr=off";

/// Name of the module with the random seed: the last part of its path or, by PVH, its command line.
pub const SEED_NAME: &str = "entropy-seed";

/// Bytes of the random seed that the loader of this tree hands over, where the firmware has a source.
pub const SEED_BYTES: usize = 64;

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
    /// Holds what the kernel runs on until it has page tables and descriptor tables of its own; usable from then on.
    pub const LOADER_RECLAIMABLE: u64 = 5;
}

/// A picture in memory, of 32 bits a pixel.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Framebuffer {
    /// Physical address of the first pixel, 0 = there is no picture.
    pub address: u64,
    /// Pixels in a line.
    pub width: u64,
    /// Lines.
    pub height: u64,
    /// Bytes from line to line.
    pub pitch: u64,
}

const _: () = assert!(size_of::<Framebuffer>() == 32);

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
    /// Physical address of random bytes for this boot alone, 0 = none.
    pub seed: u64,
    /// Number of these bytes.
    pub seed_bytes: u64,
    /// Physical address at which the kernel image starts.
    pub kernel_start: u64,
    /// Physical address behind the kernel image.
    pub kernel_end: u64,
    /// Seconds since the start of 1970, UTC, at boot; 0 = unknown.
    pub unix_seconds: u64,
    /// The screen.
    pub framebuffer: Framebuffer,
    /// Bytes of the command line.
    pub command_line_bytes: u64,
    /// Command line in UTF-8.
    pub command_line: [u8; MAX_COMMAND_LINE_BYTES],
}

const _: () = assert!(size_of::<BootInfo>() == 4208);

/// Nothing known.
pub const EMPTY: BootInfo = BootInfo {
    region_count: 0,
    memory_map: [MemoryRegion { start: 0, bytes: 0, kind: memory::RESERVED }; MAX_MEMORY_REGIONS],
    rsdp: 0,
    package: 0,
    package_bytes: 0,
    seed: 0,
    seed_bytes: 0,
    kernel_start: 0,
    kernel_end: 0,
    unix_seconds: 0,
    framebuffer: Framebuffer { address: 0, width: 0, height: 0, pitch: 0 },
    command_line_bytes: 0,
    command_line: [0; MAX_COMMAND_LINE_BYTES],
};
