//! Memory from the firmware: pages for the kernel, an arena for answers, and the memory map that the kernel gets.

use crate::refusal::{Refusal, refusal};
use crate::screen::Screen;
use capos_abi::PAGE_BYTES;
use capos_abi::limine::{MemoryMapEntry, kind};
use core::{ptr, slice};
use uefi::boot::{self, AllocateType, MemoryType};
use uefi::mem::memory_map::{MemoryDescriptor, MemoryMap, MemoryMapMut, MemoryMapOwned};

/// Virtual address of physical address 0 in the page tables that the kernel is entered with.
pub const DIRECT_MAP: u64 = 0xffff_8000_0000_0000;
/// Memory of the kernel and the package: a type of the range that is left to loaders.
pub const MODULE: MemoryType = MemoryType::custom(0x8000_0000);
/// Memory that the kernel may have back: the type of everything else that the loader allocates.
pub const RECLAIMABLE: MemoryType = MemoryType::LOADER_DATA;

/// Bytes of the arena.
const ARENA_BYTES: u64 = 128 << 10;
/// Entries of the memory map at most.
const MAX_ENTRIES: usize = 512;
/// The protocol never gives the first page away.
const FIRST_ADDRESS: u64 = PAGE_BYTES;

/// Zeroed pages of at least so many bytes.
pub fn pages(bytes: u64, kind: MemoryType) -> Result<&'static mut [u8], Refusal> {
    let count = bytes.div_ceil(PAGE_BYTES).max(1) as usize;
    let start = boot::allocate_pages(AllocateType::AnyPages, kind, count)
        .map_err(|_| refusal!("the firmware has no {} KiB of memory", bytes.div_ceil(1024)))?;
    let length = count * PAGE_BYTES as usize;
    // SAFETY: the firmware has just given these pages to the loader, and they are never freed.
    unsafe {
        ptr::write_bytes(start.as_ptr(), 0, length);
        Ok(slice::from_raw_parts_mut(start.as_ptr(), length))
    }
}

/// Where the kernel finds what lies at this address now.
pub fn direct<T: ?Sized>(value: *const T) -> u64 {
    DIRECT_MAP + value.cast::<u8>() as u64
}

/// Memory for answers, the stack and descriptors, in the kernel's reach and reclaimable.
pub struct Arena {
    free: &'static mut [u8],
}

impl Arena {
    /// An empty arena.
    pub fn new() -> Result<Arena, Refusal> {
        Ok(Arena { free: pages(ARENA_BYTES, RECLAIMABLE)? })
    }

    /// So many zero bytes; the kernel's address of them, a multiple of 16.
    pub fn reserve(&mut self, bytes: u64) -> Result<u64, Refusal> {
        self.take(bytes as usize).map(|place| direct(place.as_ptr()))
    }

    /// Puts a value there; the kernel's address of it.
    pub fn place<T: Copy + 'static>(&mut self, value: T) -> Result<u64, Refusal> {
        self.place_all(&[value]).map(|place| direct(place.as_ptr()))
    }

    /// Puts values there.
    pub fn place_all<T: Copy + 'static>(&mut self, values: &[T]) -> Result<&'static mut [T], Refusal> {
        let place = self.take(size_of_val(values))?.as_mut_ptr().cast::<T>();
        // SAFETY: the place is large enough, aligned to 16 bytes, more than any type here asks for, and nobody else's.
        unsafe {
            ptr::copy_nonoverlapping(values.as_ptr(), place, values.len());
            Ok(slice::from_raw_parts_mut(place, values.len()))
        }
    }

    fn take(&mut self, bytes: usize) -> Result<&'static mut [u8], Refusal> {
        let free = core::mem::take(&mut self.free);
        let Some((place, rest)) = free.split_at_mut_checked(bytes.next_multiple_of(16)) else {
            return Err(refusal!("the loader's arena of {ARENA_BYTES} bytes is too small"));
        };
        self.free = rest;
        Ok(place)
    }
}

/// The memory map that the kernel gets. Its places are reserved before the firmware gives its last map.
pub struct Map {
    answer: &'static mut [capos_abi::limine::MemoryMap],
    entries: &'static mut [MemoryMapEntry],
    screen: Option<Screen>,
}

impl Map {
    /// Reserves the places.
    pub fn reserve(arena: &mut Arena, screen: Option<Screen>) -> Result<Map, Refusal> {
        let entries = arena.place_all(&[MemoryMapEntry::default(); MAX_ENTRIES])?;
        let mut addresses = [0; MAX_ENTRIES];
        for (address, entry) in addresses.iter_mut().zip(&*entries) {
            *address = direct(entry);
        }
        let addresses = arena.place_all(&addresses)?;
        let answer = capos_abi::limine::MemoryMap { entries: direct(addresses.as_ptr()), ..Default::default() };
        Ok(Map { answer: arena.place_all(&[answer])?, entries, screen })
    }

    /// The kernel's address of the answer.
    pub fn address(&self) -> u64 {
        direct(self.answer.as_ptr())
    }

    /// Fills in what the firmware said last. Entries that find no place are forgotten: then nobody uses that memory.
    pub fn fill(self, mut firmware: MemoryMapOwned) {
        firmware.sort();
        let mut filled = 0;
        for entry in firmware.entries().map(entry).chain(self.screen.map(Screen::memory)) {
            match self.entries.get_mut(..filled).and_then(|entries| entries.last_mut()) {
                _ if entry.bytes == 0 => {}
                Some(last) if last.kind == entry.kind && last.start + last.bytes == entry.start => {
                    last.bytes += entry.bytes;
                }
                _ => {
                    if let Some(place) = self.entries.get_mut(filled) {
                        *place = entry;
                        filled += 1;
                    }
                }
            }
        }
        self.entries.get_mut(..filled).unwrap_or_default().sort_unstable_by_key(|entry| entry.start);
        self.answer.iter_mut().for_each(|answer| answer.entry_count = filled as u64);
    }
}

/// The firmware's entry in the protocol's terms.
fn entry(descriptor: &MemoryDescriptor) -> MemoryMapEntry {
    let end = descriptor.phys_start + descriptor.page_count * PAGE_BYTES;
    let start = descriptor.phys_start.max(FIRST_ADDRESS);
    MemoryMapEntry { start, bytes: end.saturating_sub(start), kind: kind_of(descriptor.ty) }
}

/// What becomes of memory once the firmware's boot services have ended.
fn kind_of(firmware: MemoryType) -> u64 {
    match firmware {
        MemoryType::CONVENTIONAL | MemoryType::BOOT_SERVICES_CODE | MemoryType::BOOT_SERVICES_DATA => kind::USABLE,
        MemoryType::LOADER_CODE | RECLAIMABLE => kind::LOADER_RECLAIMABLE,
        MODULE => kind::KERNEL_AND_MODULES,
        MemoryType::ACPI_RECLAIM => kind::ACPI_RECLAIMABLE,
        MemoryType::ACPI_NON_VOLATILE => kind::ACPI_NVS,
        MemoryType::UNUSABLE => kind::BAD,
        _ => kind::RESERVED,
    }
}

/// What the direct map must hold: start and end of each run of memory that the kernel may touch, in order.
pub fn mapped() -> Result<impl Iterator<Item = (u64, u64)>, Refusal> {
    let mut firmware = boot::memory_map(RECLAIMABLE)
        .map_err(|error| refusal!("the firmware gives no memory map: {}", error.status()))?;
    firmware.sort();
    let kinds = [kind::USABLE, kind::LOADER_RECLAIMABLE, kind::KERNEL_AND_MODULES];
    let mut runs: alloc::vec::Vec<(u64, u64)> = alloc::vec::Vec::new();
    for entry in firmware.entries().map(entry).filter(|entry| kinds.contains(&entry.kind)) {
        let end = entry.start + entry.bytes;
        match runs.last_mut() {
            Some((_, last)) if *last == entry.start => *last = end,
            _ => runs.push((entry.start, end)),
        }
    }
    Ok(runs.into_iter())
}
