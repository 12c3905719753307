//! Page tables: entries, levels, and the walk over them through the direct map.

use super::layout;
use capos_abi::PAGE_BYTES;
use kernel_core::memory::frame::{Frame, OutOfFrames};
use x86_64::structures::paging::PageTableFlags as Flags;

/// Entries of a table.
pub const ENTRIES: u64 = 512;
/// Bytes that a page of each level covers: 4 KiB, 2 MiB, 1 GiB.
pub const LEVEL_BYTES: [u64; 3] = [PAGE_BYTES, PAGE_BYTES << 9, PAGE_BYTES << 18];
/// Level of the root table.
const ROOT_LEVEL: u32 = 3;
/// Bits of an entry that hold the physical address.
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// An entry of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry(pub u64);

impl Entry {
    /// Maps nothing.
    pub const EMPTY: Entry = Entry(0);

    /// An entry for this physical address.
    pub fn new(physical: u64, flags: Flags) -> Entry {
        Entry(physical | flags.bits())
    }

    /// The physical address of the page or table.
    pub fn physical(self) -> u64 {
        self.0 & ADDRESS
    }

    /// The flags.
    pub fn flags(self) -> Flags {
        Flags::from_bits_truncate(self.0)
    }

    /// Whether it leads to a table or maps a page.
    pub fn is_present(self) -> bool {
        self.flags().contains(Flags::PRESENT)
    }
}

/// A table, by its physical address. Copies of it are the same table.
#[derive(Clone, Copy)]
pub struct Table(u64);

impl Table {
    /// # Safety
    /// A page table lies at `physical`, in reach of the direct map, and as long as this value lives only code under the kernel
    /// lock, or the only processor that runs, changes it.
    pub unsafe fn new(physical: u64) -> Table {
        Table(physical)
    }

    /// Physical address.
    pub fn physical(self) -> u64 {
        self.0
    }

    /// The entry with this index, modulo the size of the table.
    pub fn get(self, index: u64) -> Entry {
        // SAFETY: `new` vouches for the table, and the index is in it.
        Entry(unsafe { self.place(index).read_volatile() })
    }

    /// Writes an entry.
    pub fn set(self, index: u64, entry: Entry) {
        // SAFETY: as in `get`.
        unsafe { self.place(index).write_volatile(entry.0) };
    }

    /// The table that an entry leads to.
    pub fn next(self, index: u64) -> Option<Table> {
        let entry = self.get(index);
        (entry.is_present() && !entry.flags().contains(Flags::HUGE_PAGE)).then(|| Table(entry.physical()))
    }

    /// As [`Table::next`], with a new table where none is.
    pub fn next_or_new(
        self,
        index: u64,
        flags: Flags,
        new: &mut impl FnMut() -> Result<Frame, OutOfFrames>,
    ) -> Result<Table, OutOfFrames> {
        if let Some(table) = self.next(index) {
            return Ok(table);
        }
        let table = Table(new()?.address());
        self.set(index, Entry::new(table.0, flags));
        Ok(table)
    }

    fn place(self, index: u64) -> *mut u64 {
        (layout::direct(self.0) as *mut u64).wrapping_add((index % ENTRIES) as usize)
    }
}

/// The index of an address in the table of this level (0: pages of 4 KiB).
pub fn index(address: u64, level: u32) -> u64 {
    (address >> (12 + 9 * level)) % ENTRIES
}

/// The table of `level` for an address, if the tables above lead to one.
pub fn find(root: Table, address: u64, level: u32) -> Option<Table> {
    (level + 1..=ROOT_LEVEL).rev().try_fold(root, |table, above| table.next(index(address, above)))
}

/// The lowest table for an address, if there is one; and the address behind what it, or the gap in its place, covers.
pub fn find_or_gap(root: Table, address: u64) -> (Option<Table>, u64) {
    let mut table = root;
    for above in (1..=ROOT_LEVEL).rev() {
        match table.next(index(address, above)) {
            Some(next) => table = next,
            None => return (None, (address + 1).next_multiple_of(covered(above))),
        }
    }
    (Some(table), (address + 1).next_multiple_of(covered(1)))
}

/// Bytes that an entry of a table of this level covers.
fn covered(level: u32) -> u64 {
    PAGE_BYTES << (9 * level)
}

/// The table of `level` for an address, with new tables where none are.
pub fn find_or_new(
    root: Table,
    address: u64,
    level: u32,
    flags: Flags,
    mut new: impl FnMut() -> Result<Frame, OutOfFrames>,
) -> Result<Table, OutOfFrames> {
    (level + 1..=ROOT_LEVEL)
        .rev()
        .try_fold(root, |table, above| table.next_or_new(index(address, above), flags, &mut new))
}
