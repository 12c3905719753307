//! The kernel's half of every address space. After the boot its root entries never change, so all spaces share it.

use super::boot_frames::BootFrames;
use super::layout::{self, DEVICES, DIRECT_MAP, KERNEL, STACKS};
use super::page_table::{self, Entry, LEVEL_BYTES, Table};
use crate::arch::features::Features;
use capos_abi::PAGE_BYTES;
use capos_abi::boot::{MemoryRegion, memory};
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};
use kernel_core::memory::frame::Frame;
use x86_64::structures::paging::PageTableFlags as Flags;

/// Reserved regions up to this size are in the direct map, for the firmware's tables; larger ones are devices.
const MAX_TABLES_BYTES: u64 = 16 << 20;
/// First entry of the root that belongs to the kernel.
pub const FIRST_KERNEL_ENTRY: u64 = 256;

/// Physical address of the kernel's own root, for processors that run no program.
static ROOT: AtomicU64 = AtomicU64::new(0);

/// Physical address of the kernel's own root.
pub fn root() -> u64 {
    ROOT.load(Ordering::Relaxed)
}

/// The kernel's mappings while they are made.
pub struct KernelSpace {
    root: Table,
    levels: u32,
    next_device: u64,
}

impl KernelSpace {
    /// Maps the image and all memory. Not in use until [`KernelSpace::load`].
    pub fn new(features: Features, frames: &mut BootFrames) -> KernelSpace {
        // SAFETY: a fresh, zeroed frame that only this processor knows.
        let root = unsafe { Table::new(frames.take()) };
        let mut space = KernelSpace { root, levels: if features.huge_pages { 3 } else { 2 }, next_device: DEVICES };
        for window in [DIRECT_MAP, DEVICES, STACKS, KERNEL] {
            space.table(window, 2, frames);
        }
        space.map_image(frames);
        space.map_memory(frames);
        ROOT.store(root.physical(), Ordering::Relaxed);
        space
    }

    /// Makes this processor use these mappings.
    pub fn load(&self) {
        crate::processors::write_root(self.root.physical());
    }

    /// Maps one page of memory for reading and writing.
    pub fn map_page(&mut self, address: u64, physical: u64, frames: &mut BootFrames) {
        self.map(address, physical, 0, Flags::WRITABLE | Flags::NO_EXECUTE, frames);
    }

    /// Maps a page as a program's, into the kernel's own root.
    pub fn map_for_programs(&mut self, address: u64, physical: u64, frames: &mut BootFrames) {
        let flags = Flags::PRESENT | Flags::WRITABLE | Flags::USER_ACCESSIBLE;
        let table = page_table::find_or_new(self.root, address, 0, flags, || Ok(Frame::containing(frames.take())));
        if let Ok(table) = table {
            table.set(page_table::index(address, 0), Entry::new(physical, flags));
        }
    }

    /// Maps a page of device registers; the virtual address of `physical`.
    pub fn map_device(&mut self, physical: u64, frames: &mut BootFrames) -> u64 {
        self.map_devices(physical, 1, frames)
    }

    /// Maps so many bytes of a device; the virtual address of `physical`.
    pub fn map_devices(&mut self, physical: u64, bytes: u64, frames: &mut BootFrames) -> u64 {
        let offset = physical % PAGE_BYTES;
        let address = self.next_device;
        let flags = Flags::WRITABLE | Flags::NO_EXECUTE | Flags::NO_CACHE | Flags::WRITE_THROUGH;
        let size = (offset + bytes).next_multiple_of(PAGE_BYTES);
        for done in (0..size).step_by(PAGE_BYTES as usize) {
            self.map(address + done, physical - offset + done, 0, flags, frames);
        }
        // A guard page behind each.
        self.next_device += size + PAGE_BYTES;
        address + offset
    }

    /// A root that also maps `page` at its physical address, for processors that switch paging on in it.
    pub fn trampoline_root(&mut self, page: u64, frames: &mut BootFrames) -> u64 {
        // SAFETY: a fresh, zeroed frame.
        let root = unsafe { Table::new(frames.take()) };
        (FIRST_KERNEL_ENTRY..page_table::ENTRIES).for_each(|index| root.set(index, self.root.get(index)));
        let table = page_table::find_or_new(root, page, 0, Flags::PRESENT | Flags::WRITABLE, || {
            Ok(Frame::containing(frames.take()))
        });
        if let Ok(table) = table {
            table.set(page_table::index(page, 0), Entry::new(page, Flags::PRESENT));
        }
        root.physical()
    }

    fn map_image(&mut self, frames: &mut BootFrames) {
        let image = layout::image();
        let load_address = frames.info().kernel_start;
        let parts = [
            (image.text, Flags::empty()),
            (image.rodata, Flags::NO_EXECUTE),
            (image.data, Flags::NO_EXECUTE | Flags::WRITABLE),
        ];
        for ((start, end), flags) in parts {
            let pages = (start..end).step_by(PAGE_BYTES as usize);
            for address in pages.filter(|address| *address != layout::boot_guard_page()) {
                self.map(address, load_address + (address - image.text.0), 0, flags, frames);
            }
        }
    }

    /// All memory and the firmware's tables, in pages as large as fit.
    fn map_memory(&mut self, frames: &mut BootFrames) {
        let mut mapped = 0;
        for index in 0..frames.regions().len() {
            let Some(region) = frames.regions().get(index).copied() else { break };
            if is_memory(&region) {
                let start = (region.start & !(LEVEL_BYTES[1] - 1)).max(mapped);
                let end = (region.start + region.bytes).next_multiple_of(LEVEL_BYTES[1]);
                self.map_direct(start, end, frames);
                mapped = mapped.max(end);
            }
        }
    }

    fn map_direct(&mut self, start: u64, end: u64, frames: &mut BootFrames) {
        let fixed = fixed_image(frames);
        let mut physical = start;
        while physical < end {
            let fits = |level: &u32| {
                let bytes = level_bytes(*level);
                let separate = physical + bytes <= fixed.start || fixed.end <= physical;
                physical.is_multiple_of(bytes) && end - physical >= bytes && separate
            };
            let level = (0..self.levels).rev().find(fits).unwrap_or(0);
            let writable = if fixed.contains(&physical) { Flags::empty() } else { Flags::WRITABLE };
            self.map(layout::direct(physical), physical, level, writable | Flags::NO_EXECUTE, frames);
            physical += level_bytes(level);
        }
    }

    fn map(&mut self, address: u64, physical: u64, level: u32, flags: Flags, frames: &mut BootFrames) {
        let size = if level == 0 { Flags::empty() } else { Flags::HUGE_PAGE };
        let entry = Entry::new(physical, flags | size | Flags::PRESENT | Flags::GLOBAL);
        self.table(address, level, frames).set(page_table::index(address, level), entry);
    }

    fn table(&mut self, address: u64, level: u32, frames: &mut BootFrames) -> Table {
        let flags = Flags::PRESENT | Flags::WRITABLE;
        let table = page_table::find_or_new(self.root, address, level, flags, || Ok(Frame::containing(frames.take())));
        match table {
            Ok(table) => table,
            Err(_) => crate::panic::refuse(format_args!("no memory for the kernel's page tables")),
        }
    }
}

/// The part of the image that nobody may write, not even through the direct map.
fn fixed_image(frames: &BootFrames) -> Range<u64> {
    let image = layout::image();
    let start = frames.info().kernel_start;
    start..start + (image.rodata.1 - image.text.0)
}

fn level_bytes(level: u32) -> u64 {
    LEVEL_BYTES.get(level as usize).copied().unwrap_or(PAGE_BYTES)
}

/// Whether a region belongs into the direct map.
fn is_memory(region: &MemoryRegion) -> bool {
    region.kind != memory::RESERVED || region.bytes <= MAX_TABLES_BYTES
}

/// Whether the direct map holds these physical addresses.
pub fn is_mapped(regions: &[MemoryRegion], physical: u64, bytes: u64) -> bool {
    let end = physical.saturating_add(bytes);
    let mut reached = physical;
    for region in regions.iter().filter(|region| is_memory(region)) {
        if region.start <= reached {
            reached = reached.max(region.start + region.bytes);
        }
    }
    end <= reached
}
