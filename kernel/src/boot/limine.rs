//! The Limine boot protocol (stock Limine under UEFI and BIOS, and the loader in `boot/`): its answers become a [`BootInfo`].

use super::memory_map::MemoryMap;
use crate::mm::layout::{self, DIRECT_MAP};
use crate::mm::page_table;
use crate::panic::refuse;
use capos_abi::boot::{self, BootInfo, EMPTY, SEED_NAME, memory};
use capos_abi::limine::{
    BootTime, CommandLine, DirectMap, File, Framebuffer, Framebuffers, KernelAddress, MEMORY_MODEL_RGB,
    MemoryMap as Answer, MemoryMapEntry, Modules, REQUESTS, Request, Requests, RootPointer, kind,
};
use core::arch::global_asm;
use core::ffi::{CStr, c_char};
use x86_64::registers::control::{Cr3, Cr4, Cr4Flags};

/// Bits of a framebuffer's pixel that the kernel can draw in.
const BITS_PER_PIXEL: u16 = 32;
/// Gigabytes that the boot page tables map.
const MAPPED_GIB: usize = 4;
/// Entries of a page table.
const ENTRIES: usize = page_table::ENTRIES as usize;
/// A table's entry: present and writable.
const TABLE: u64 = 0x3;
/// A page of 2 MiB: present and writable.
const LARGE_PAGE: u64 = 0x83;

// In 64-bit mode, on the loader's page tables and stack. From here on, on the kernel's boot stack.
global_asm!(
    ".section .text.limine_entry, \"ax\"",
    ".global limine_entry",
    "limine_entry:",
    "cli",
    "cld",
    "rdtsc",
    "shlq $32, %rdx",
    "leaq (%rax, %rdx), %rdi",
    "leaq boot_stack_end(%rip), %rsp",
    "xorl %ebp, %ebp",
    "pushq $0",
    "jmp limine_start",
    options(att_syntax)
);

unsafe extern "C" {
    static mut boot_low: [u64; ENTRIES];
    static mut boot_directories: [[u64; ENTRIES]; MAPPED_GIB];
}

/// The questions. In the image's data, where loaders look for them and write their answers.
#[used]
static mut QUESTIONS: Requests = REQUESTS;

/// First Rust code of the boot processor, on the loader's page tables.
#[unsafe(no_mangle)]
extern "C" fn limine_start(entry: u64) -> ! {
    // SAFETY: the loader has written its answers before this code runs, and nobody else writes there.
    let requests = unsafe { (&raw const QUESTIONS).read_volatile() };
    let answers = Answers::of(&requests);
    let info = answers.boot_info();
    answers.map_low_memory();
    crate::start(info, entry)
}

/// The loader's answers. Whatever base revision it keeps to, what is read here means the same.
struct Answers<'a> {
    requests: &'a Requests,
    offset: u64,
    kernel: KernelAddress,
}

impl Answers<'_> {
    fn of(requests: &Requests) -> Answers<'_> {
        let (Some(map), Some(kernel)) = (answer::<DirectMap>(&requests.direct_map), answer(&requests.kernel_address))
        else {
            refuse(format_args!("the loader does not say where memory and the kernel are mapped"));
        };
        Answers { requests, offset: map.offset, kernel }
    }

    fn boot_info(&self) -> BootInfo {
        let kernel_start = self.kernel.physical;
        let mut info = BootInfo {
            rsdp: self.root_pointer(),
            kernel_start,
            kernel_end: kernel_start + layout::kernel_bytes(),
            unix_seconds: self.unix_seconds(),
            framebuffer: self.framebuffer().unwrap_or_default(),
            ..EMPTY
        };
        self.store_modules(&mut info);
        self.store_command_line(&mut info);
        self.store_memory_map(&mut info);
        info
    }

    fn store_memory_map(&self, info: &mut BootInfo) {
        let Some(answer) = answer::<Answer>(&self.requests.memory_map) else {
            refuse(format_args!("the loader gives no memory map"));
        };
        let mut map = MemoryMap::new();
        for entry in list::<MemoryMapEntry>(answer.entries, answer.entry_count) {
            let kind = match entry.kind {
                kind::USABLE => memory::USABLE,
                kind::ACPI_RECLAIMABLE => memory::ACPI_RECLAIMABLE,
                kind::LOADER_RECLAIMABLE => memory::LOADER_RECLAIMABLE,
                kind::KERNEL_AND_MODULES => memory::LOADED,
                _ => memory::RESERVED,
            };
            map.mark(entry.start, entry.start.saturating_add(entry.bytes), kind);
        }
        map.store(info);
    }

    /// The seed is told by its name; the first of the others is the boot package.
    fn store_modules(&self, info: &mut BootInfo) {
        let Some(answer) = answer::<Modules>(&self.requests.modules) else { return };
        for module in list::<File>(answer.modules, answer.module_count) {
            let name = text(module.path).rsplit(|byte| *byte == b'/').next();
            super::store_module(info, name == Some(SEED_NAME.as_bytes()), self.physical(module.address), module.bytes);
        }
    }

    fn root_pointer(&self) -> u64 {
        answer::<RootPointer>(&self.requests.root_pointer).map_or(0, |root| self.physical(root.address))
    }

    fn unix_seconds(&self) -> u64 {
        let time = answer::<BootTime>(&self.requests.boot_time);
        time.and_then(|time| u64::try_from(time.unix_seconds).ok()).unwrap_or(0)
    }

    /// The first picture that the kernel can draw in.
    fn framebuffer(&self) -> Option<boot::Framebuffer> {
        let answer: Framebuffers = answer(&self.requests.framebuffers)?;
        let mut all = list::<Framebuffer>(answer.framebuffers, answer.framebuffer_count);
        let picture = all.find(|it| it.memory_model == MEMORY_MODEL_RGB && it.bits_per_pixel == BITS_PER_PIXEL)?;
        Some(boot::Framebuffer {
            address: self.physical(picture.address),
            width: picture.width,
            height: picture.height,
            pitch: picture.pitch,
        })
    }

    fn store_command_line(&self, info: &mut BootInfo) {
        if let Some(line) = answer::<CommandLine>(&self.requests.command_line) {
            super::store_command_line(info, text(line.text));
        }
    }

    /// The physical address of one that is physical or in the loader's direct map.
    fn physical(&self, address: u64) -> u64 {
        address.checked_sub(self.offset).unwrap_or(address)
    }

    /// Where a part of the kernel's image lies in memory.
    fn physical_of_image(&self, address: u64) -> u64 {
        address - self.kernel.virtual_ + self.kernel.physical
    }

    /// Maps the first 4 GiB in the kernel's direct map, as the PVH entry does, in place of whatever the loader has there.
    /// The loader's own direct map may be that; its answers have been read.
    fn map_low_memory(&self) {
        if Cr4::read().contains(Cr4Flags::L5_PAGING) {
            refuse(format_args!("the loader has switched on page tables of five levels"));
        }
        let (low, directories) = (&raw mut boot_low, &raw mut boot_directories);
        for (index, large_page) in (0..MAPPED_GIB * ENTRIES).zip((LARGE_PAGE..).step_by(2 << 20)) {
            // SAFETY: the index is in the tables, which are the kernel's and not in use.
            unsafe { directories.cast::<u64>().add(index).write(large_page) };
        }
        for (index, address) in (0..MAPPED_GIB).zip((directories as u64..).step_by(ENTRIES * 8)) {
            // SAFETY: as above.
            unsafe { low.cast::<u64>().add(index).write(self.physical_of_image(address) | TABLE) };
        }
        let (root, flags) = Cr3::read();
        let root_table = (self.offset + root.start_address().as_u64()) as *mut u64;
        let index = page_table::index(DIRECT_MAP, 3) as usize;
        // SAFETY: the loader's root table lies in its direct map, and the boot stack, the code and the root stay mapped.
        unsafe { root_table.add(index).write_volatile(self.physical_of_image(low as u64) | TABLE) };
        // SAFETY: the same root: this forgets what was cached of it.
        unsafe { Cr3::write(root, flags) };
    }
}

/// The loader's answer, if it gave one.
fn answer<T: Copy>(request: &Request) -> Option<T> {
    // SAFETY: the protocol places an answer of the request's type at this address.
    (request.response != 0).then(|| unsafe { (request.response as *const T).read() })
}

/// A text of the loader; empty if there is none.
fn text(address: u64) -> &'static [u8] {
    // SAFETY: the protocol places a string that ends with a zero byte there.
    if address == 0 { &[] } else { unsafe { CStr::from_ptr(address as *const c_char) }.to_bytes() }
}

/// What an array of addresses leads to.
fn list<T: Copy>(addresses: u64, count: u64) -> impl Iterator<Item = T> {
    (0..count).map(move |index| {
        // SAFETY: the protocol places `count` addresses there, each of a `T`.
        unsafe { ((addresses + index * 8) as *const *const T).read().read() }
    })
}
