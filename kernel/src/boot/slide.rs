//! The slide: how far above its linked address the kernel lies. Loaders that speak the Limine protocol choose it. PVH's know only the
//! physical address, so there the kernel moves itself, first of all: [`move_kernel`] maps it a second time and relocates its pointers.

use super::command_line;
use crate::arch::features::Features;
use crate::arch::random;
use crate::mm::layout::{self, KERNEL_LOAD_ADDRESS};
use crate::mm::page_table;
use capos_abi::boot::{BootInfo, KASLR_OFF, SLIDE_STEP, SLIDE_WINDOW};

/// Entries of the two directories that map the upper 2 GiB.
const ENTRIES: usize = 2 * page_table::ENTRIES as usize;
/// A page of 2 MiB: present and writable.
const LARGE_PAGE: u64 = 0x83;
/// `R_X86_64_RELATIVE`: a word that holds an address of the image. The linker makes no others for a file that depends on none.
const RELATIVE: u64 = 8;

/// `Elf64_Rela` of the ELF specification.
#[repr(C)]
struct Relocation {
    /// Linked address of the word.
    place: u64,
    kind: u64,
    /// Its value at the linked address.
    addend: u64,
}

unsafe extern "C" {
    static mut boot_image: [u64; ENTRIES];
    static relocations_start: Relocation;
    static relocations_end: Relocation;
}

/// A random slide; 0 where the command line asks for none or the processor has no source of randomness.
pub fn choose(info: &BootInfo) -> u64 {
    let mut random = [0; 8];
    if command_line::has(info, KASLR_OFF) || !random::fill(Features::detect(), &mut random) {
        return 0;
    }
    let places = SLIDE_WINDOW.saturating_sub(layout::kernel_bytes().next_multiple_of(SLIDE_STEP)) / SLIDE_STEP;
    u64::from_le_bytes(random).checked_rem(places).unwrap_or(0) * SLIDE_STEP
}

/// Makes the kernel run `slide` bytes above its linked address, at which this code runs. It stays mapped here too until the kernel has
/// page tables of its own.
pub fn move_kernel(slide: u64) {
    let pages = layout::kernel_bytes().div_ceil(SLIDE_STEP);
    let entries = (&raw mut boot_image).cast::<u64>();
    for page in 0..pages {
        let entry = (KERNEL_LOAD_ADDRESS + page * SLIDE_STEP) | LARGE_PAGE;
        // SAFETY: the slide leaves the image within the window that the directories cover, and an entry that was not present is
        // cached nowhere.
        unsafe { entries.add((slide / SLIDE_STEP + page) as usize).write_volatile(entry) };
    }
    let (mut next, end) = (&raw const relocations_start, &raw const relocations_end);
    while next < end {
        // SAFETY: the linker put whole relocations between the two symbols.
        let Relocation { place, kind, addend } = unsafe { next.read() };
        if kind == RELATIVE {
            // SAFETY: the linker names words of the image, which the boot page tables make writable.
            unsafe { (place as *mut u64).write_volatile(addend.wrapping_add(slide)) };
        }
        // SAFETY: at most the end of the table.
        next = unsafe { next.add(1) };
    }
}
