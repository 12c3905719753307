//! The PVH boot protocol (`qemu -kernel`, Firecracker, Cloud Hypervisor): its start info becomes a [`BootInfo`].

use super::memory_map::MemoryMap;
use super::slide;
use crate::mm::layout::{self, KERNEL, KERNEL_LOAD_ADDRESS};
use capos_abi::boot::{BootInfo, EMPTY, SEED_NAME, memory};
use core::arch::global_asm;
use core::ffi::{CStr, c_char};

/// Bytes of the stack that the boot processor starts on.
const BOOT_STACK_BYTES: usize = 32 << 10;

global_asm!(
    include_str!("pvh.S"),
    PHYSICAL = const KERNEL_LOAD_ADDRESS,
    DISTANCE = const KERNEL - KERNEL_LOAD_ADDRESS,
    STACK = const BOOT_STACK_BYTES,
    options(att_syntax)
);

/// `hvm_start_info` of the Xen headers, version 1.
#[repr(C)]
#[derive(Clone, Copy)]
struct StartInfo {
    magic: u32,
    version: u32,
    flags: u32,
    module_count: u32,
    modules: u64,
    command_line: u64,
    rsdp: u64,
    memory_map: u64,
    memory_map_entries: u32,
    reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Module {
    address: u64,
    bytes: u64,
    command_line: u64,
    reserved: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct MapEntry {
    address: u64,
    bytes: u64,
    kind: u32,
    reserved: u32,
}

const MAGIC: u32 = 0x336e_c578;
const E820_RAM: u32 = 1;
const E820_ACPI: u32 = 3;

/// First Rust code of the boot processor, on the boot page tables, at the linked address: chooses the slide, and moves the kernel.
#[unsafe(no_mangle)]
extern "C" fn pvh_move(start_info: u64) -> u64 {
    // SAFETY: as in `pvh_start`.
    let start: StartInfo = unsafe { read(start_info) };
    if start.magic != MAGIC {
        // `pvh_start` will say so.
        return 0;
    }
    let mut info = EMPTY;
    super::store_command_line(&mut info, text(start.command_line));
    let slide = slide::choose(&info);
    slide::move_kernel(slide);
    slide
}

/// Goes on at the address that was chosen.
#[unsafe(no_mangle)]
extern "C" fn pvh_start(start_info: u64, entry: u64) -> ! {
    // SAFETY: the entry passes the address that the PVH protocol gave it.
    let start: StartInfo = unsafe { read(start_info) };
    if start.magic != MAGIC || start.version < 1 {
        crate::panic::refuse(format_args!(
            "the PVH start info has magic {:#x} and version {}",
            start.magic, start.version
        ));
    }
    crate::start(boot_info(&start), entry)
}

fn boot_info(start: &StartInfo) -> BootInfo {
    let (kernel_start, kernel_end) = (KERNEL_LOAD_ADDRESS, KERNEL_LOAD_ADDRESS + layout::kernel_bytes());
    let mut info = BootInfo { rsdp: start.rsdp, kernel_start, kernel_end, ..EMPTY };
    for index in 0..u64::from(start.module_count) {
        // SAFETY: the protocol places `module_count` entries there.
        let module: Module = unsafe { read(start.modules + index * size_of::<Module>() as u64) };
        // The first one is the package. QEMU leaves its command line's address as whatever was there before.
        let is_seed = index > 0 && text(module.command_line) == SEED_NAME.as_bytes();
        super::store_module(&mut info, is_seed, module.address, module.bytes);
    }
    super::store_command_line(&mut info, text(start.command_line));
    let mut map = MemoryMap::new();
    mark_firmware_map(start, &mut map);
    map.mark(info.package, info.package + info.package_bytes, memory::LOADED);
    map.mark(info.seed, info.seed + info.seed_bytes, memory::LOADED);
    map.mark(kernel_start, kernel_end, memory::LOADED);
    map.store(&mut info);
    info
}

/// Usable memory first, so that whatever overlaps it wins.
fn mark_firmware_map(start: &StartInfo, map: &mut MemoryMap) {
    for usable in [true, false] {
        for index in 0..u64::from(start.memory_map_entries) {
            // SAFETY: the protocol places `memory_map_entries` entries there.
            let entry: MapEntry = unsafe { read(start.memory_map + index * size_of::<MapEntry>() as u64) };
            let kind = match entry.kind {
                E820_RAM => memory::USABLE,
                E820_ACPI => memory::ACPI_RECLAIMABLE,
                _ => memory::RESERVED,
            };
            if (kind == memory::USABLE) == usable {
                map.mark(entry.address, entry.address.saturating_add(entry.bytes), kind);
            }
        }
    }
}

/// A text below 4 GiB; empty if there is none.
fn text(physical: u64) -> &'static [u8] {
    if physical == 0 {
        return &[];
    }
    // SAFETY: the boot page tables map the first 4 GiB in the direct map; the protocol places a string there that ends with a zero byte.
    unsafe { CStr::from_ptr(layout::direct(physical) as *const c_char) }.to_bytes()
}

/// Reads physical memory below 4 GiB.
///
/// # Safety
/// A `T` must lie there.
unsafe fn read<T: Copy>(physical: u64) -> T {
    // SAFETY: the boot page tables map the first 4 GiB in the direct map; the caller vouches for the content.
    unsafe { (layout::direct(physical) as *const T).read_unaligned() }
}
