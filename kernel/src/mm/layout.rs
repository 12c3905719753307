//! The map of virtual addresses, and the bounds of the kernel image.

use capos_abi::PAGE_BYTES;
use capos_abi::boot::KERNEL_ADDRESS;

/// First address behind user space. The last page of the lower half stays unmapped, so that `rcx` is canonical at every
/// `sysretq`.
pub const USER_END: u64 = 0x0000_7fff_ffff_f000;

/// All physical memory, readable and writable, never executable.
pub const DIRECT_MAP: u64 = 0xffff_8000_0000_0000;

/// Device registers, uncached.
pub const DEVICES: u64 = 0xffff_c000_0000_0000;

/// Kernel stacks, each between unmapped guard pages.
pub const STACKS: u64 = 0xffff_e000_0000_0000;

/// The kernel image, somewhere from here on.
pub const KERNEL: u64 = KERNEL_ADDRESS;

/// Where PVH loads the kernel image; `link.ld` says the same.
pub const KERNEL_LOAD_ADDRESS: u64 = 0x20_0000;

/// The direct-map address of a physical one.
pub const fn direct(physical: u64) -> u64 {
    DIRECT_MAP + physical
}

/// The parts of the kernel image, each page-aligned: start and end address.
pub struct Image {
    /// Readable and executable.
    pub text: (u64, u64),
    /// Readable.
    pub rodata: (u64, u64),
    /// Readable and writable.
    pub data: (u64, u64),
}

unsafe extern "C" {
    static kernel_start: u8;
    static rodata_start: u8;
    static data_start: u8;
    static kernel_end: u8;
    static boot_guard: u8;
}

/// The page below the stack that the boot processor starts on.
pub fn boot_guard_page() -> u64 {
    &raw const boot_guard as u64
}

/// Where the parts of the image lie.
pub fn image() -> Image {
    let (text, rodata) = (&raw const kernel_start as u64, &raw const rodata_start as u64);
    let (data, end) = (&raw const data_start as u64, &raw const kernel_end as u64);
    Image { text: (text, rodata), rodata: (rodata, data), data: (data, end) }
}

/// How far above its linked address the image lies.
pub fn slide() -> u64 {
    image().text.0 - KERNEL
}

/// Bytes of the kernel image in memory.
pub fn kernel_bytes() -> u64 {
    let image = image();
    (image.data.1 - image.text.0).next_multiple_of(PAGE_BYTES)
}
