//! The page tables that the kernel is entered with: the kernel at its address, each part with its own permissions;
//! memory and screen in the direct map; the loader itself where it runs, for its last instructions.

use crate::kernel::Kernel;
use crate::memory::{self, DIRECT_MAP, RECLAIMABLE};
use crate::refusal::{Refusal, refusal};
use crate::screen::Screen;
use capos_abi::PAGE_BYTES;
use core::arch::asm;
use core::arch::x86_64::__cpuid;
use uefi::boot;
use uefi::proto::loaded_image::LoadedImage;

/// Flags of an entry.
const PRESENT: u64 = 1;
const WRITABLE: u64 = 1 << 1;
const LARGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;
/// Index 5 of the page attribute table, which [`crate::handoff`] sets to write-combining: in a page of 4 KiB.
const WRITE_COMBINING: u64 = 1 << 7 | 1 << 3;
/// Bits of an entry that hold the physical address.
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
/// Bytes that a page of each level covers: 4 KiB, 2 MiB, 1 GiB.
const LEVEL_BYTES: [u64; 3] = [PAGE_BYTES, PAGE_BYTES << 9, PAGE_BYTES << 18];
/// Level of the root.
const ROOT_LEVEL: usize = 3;
/// Control register 4: tables have one level more.
const FIVE_LEVELS: u64 = 1 << 12;

/// A table.
type Table = [u64; 512];

/// The tables.
pub struct Tables {
    root: *mut Table,
    largest: usize,
}

impl Tables {
    /// Tables for the kernel and this machine.
    pub fn new(kernel: &Kernel<'_>, screen: Option<Screen>) -> Result<Tables, Refusal> {
        if control_register_4() & FIVE_LEVELS != 0 {
            return Err(refusal!("the firmware has switched on page tables of five levels"));
        }
        let largest = if has_huge_pages() { 2 } else { 1 };
        let mut tables = Tables { root: table()?, largest };
        for part in kernel.segments() {
            let write = if part.writable { WRITABLE } else { 0 };
            let execute = if part.executable { 0 } else { NO_EXECUTE };
            let physical = kernel.physical() + (part.start - kernel.start());
            tables.map(part.start, physical, part.end - part.start, write | execute, 0)?;
        }
        let (start, end) = own_code()?;
        tables.map(start, start, end - start, 0, 0)?;
        if let Some(screen) = screen {
            let flags = WRITABLE | NO_EXECUTE | WRITE_COMBINING;
            tables.map(DIRECT_MAP + screen.start, screen.start, screen.bytes, flags, 0)?;
        }
        for (start, end) in memory::mapped()? {
            tables.map(DIRECT_MAP + start, start, end - start, WRITABLE | NO_EXECUTE, largest)?;
        }
        Ok(tables)
    }

    /// Physical address of the root.
    pub fn root(&self) -> u64 {
        self.root as u64
    }

    /// Maps a range in pages as large as fit, up to those of level `largest`.
    fn map(&mut self, address: u64, physical: u64, bytes: u64, flags: u64, largest: usize) -> Result<(), Refusal> {
        let mut done = 0;
        while done < bytes {
            let at = physical + done;
            let fits = |level: &usize| {
                LEVEL_BYTES.get(*level).is_some_and(|size| at.is_multiple_of(*size) && bytes - done >= *size)
            };
            let level = (1..=largest.min(self.largest)).rev().find(fits).unwrap_or(0);
            let size = if level == 0 { 0 } else { LARGE };
            *self.entry(address + done, level)? = at | flags | size | PRESENT;
            done += LEVEL_BYTES.get(level).copied().unwrap_or(PAGE_BYTES);
        }
        Ok(())
    }

    /// The entry for an address in the table of `level`, with new tables where none are.
    fn entry(&mut self, address: u64, level: usize) -> Result<&mut u64, Refusal> {
        let mut table = self.root;
        for above in (level..=ROOT_LEVEL).rev() {
            let index = (address >> (12 + 9 * above)) as usize % 512;
            // SAFETY: `root` and every entry that leads to a table were made by `table`; the loader alone knows them, and
            // the firmware maps all memory at its physical address.
            let entry = unsafe { &mut (*table)[index] };
            if above == level {
                return Ok(entry);
            }
            if *entry == 0 {
                *entry = self::table()? as u64 | PRESENT | WRITABLE;
            }
            table = (*entry & ADDRESS) as *mut Table;
        }
        Err(refusal!("page tables have no level {level}"))
    }
}

fn table() -> Result<*mut Table, Refusal> {
    memory::pages(PAGE_BYTES, RECLAIMABLE).map(|page| page.as_mut_ptr().cast())
}

/// Start and end of the loader itself.
fn own_code() -> Result<(u64, u64), Refusal> {
    let image = boot::open_protocol_exclusive::<LoadedImage>(boot::image_handle())
        .map_err(|error| refusal!("the firmware does not say where the loader lies: {}", error.status()))?;
    let (start, bytes) = image.info();
    Ok((start as u64, (start as u64 + bytes).next_multiple_of(PAGE_BYTES)))
}

/// Whether pages of 1 GiB exist.
fn has_huge_pages() -> bool {
    __cpuid(0x8000_0000).eax > 0x8000_0000 && __cpuid(0x8000_0001).edx >> 26 & 1 == 1
}

fn control_register_4() -> u64 {
    let value;
    // SAFETY: reads a register that every processor of this kind has.
    unsafe { asm!("mov {}, cr4", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}
