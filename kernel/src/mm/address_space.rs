//! The address space of a process: the lower half of its page tables.

use super::kernel_space::{self, FIRST_KERNEL_ENTRY};
use super::layout::{self, USER_END};
use super::page_table::{self, ENTRIES, Entry, LEVEL_BYTES, Table};
use super::{shootdown, wide};
use capos_abi::PAGE_BYTES;
use kernel_core::PageTables;
use kernel_core::memory::Access;
use kernel_core::memory::frame::{Frame, OutOfFrames};
use kernel_core::platform::Space;
use x86_64::structures::paging::PageTableFlags as Flags;

/// Marks an entry that holds a frame, whether or not programs may access it.
const HELD: Flags = Flags::BIT_9;

/// An empty space.
pub fn create(tables: &mut PageTables<'_>) -> Result<Space, OutOfFrames> {
    let root = new_table(tables)?;
    let kernel = table(kernel_space::root());
    (FIRST_KERNEL_ENTRY..ENTRIES).for_each(|index| table(root.address()).set(index, kernel.get(index)));
    Ok(Space(root))
}

/// Makes the tables that a page at this address needs; the address behind what the lowest one covers.
pub fn make_table(space: Space, tables: &mut PageTables<'_>, address: u64) -> Result<u64, OutOfFrames> {
    lowest_table(space, tables, address)?;
    Ok((address + 1).next_multiple_of(LEVEL_BYTES[1]))
}

/// Maps a page.
pub fn map(
    space: Space,
    tables: &mut PageTables<'_>,
    address: u64,
    frame: Frame,
    access: Access,
) -> Result<(), OutOfFrames> {
    let table = lowest_table(space, tables, address)?;
    table.set(page_table::index(address, 0), entry(frame, access));
    Ok(())
}

/// The table that holds the page at this address, with those above it.
fn lowest_table(space: Space, tables: &mut PageTables<'_>, address: u64) -> Result<Table, OutOfFrames> {
    if address >= USER_END {
        crate::panic::bug(format_args!("the core maps {address:#x} for a program"));
    }
    let root = table(space.0.address());
    page_table::find(root, address, 0).map_or_else(|| make_lowest_table(root, tables, address), Ok)
}

#[cold]
fn make_lowest_table(root: Table, tables: &mut PageTables<'_>, address: u64) -> Result<Table, OutOfFrames> {
    let flags = Flags::PRESENT | Flags::WRITABLE | Flags::USER_ACCESSIBLE;
    page_table::find_or_new(root, address, 0, flags, || new_table(tables))
}

/// Unmaps a page; the frame that was there.
pub fn unmap(space: Space, address: u64) -> Option<Frame> {
    let (table, index, held) = held_entry(space, address)?;
    table.set(index, Entry::EMPTY);
    Some(Frame::containing(held.physical()))
}

/// Unmaps the first page mapped in `start..end`, looking at one table at most: the address behind what was looked at, and the
/// page's frame.
pub fn unmap_next(space: Space, start: u64, end: u64) -> (u64, Option<Frame>) {
    let (found, reach) = page_table::find_or_gap(table(space.0.address()), start);
    let end = end.min(reach);
    let Some(table) = found else { return (end, None) };
    for address in (start..end).step_by(PAGE_BYTES as usize) {
        let index = page_table::index(address, 0);
        let held = table.get(index);
        if held.flags().contains(HELD) {
            table.set(index, Entry::EMPTY);
            return (address + PAGE_BYTES, Some(Frame::containing(held.physical())));
        }
    }
    (end, None)
}

/// A word of a program's memory.
pub fn read_word(space: Space, address: u64) -> Option<u64> {
    if address >= USER_END || !address.is_multiple_of(size_of::<u64>() as u64) {
        return None;
    }
    let (_, _, held) = held_entry(space, address)?;
    let word = layout::direct(held.physical() + address % PAGE_BYTES) as *const u64;
    // SAFETY: the frame is mapped in the space and cannot go while the kernel lock is held; the word lies in it.
    Some(unsafe { word.read_volatile() })
}

/// Copies words from memory that a program may change to an address within a mapped page; false: none is mapped there.
///
/// # Safety
/// So many words can be read from `from`, which is not part of that page, and fit into it.
pub unsafe fn write_words(space: Space, address: u64, from: *const u64, words: usize) -> bool {
    let Some((_, _, held)) = held_entry(space, address) else { return false };
    let to = layout::direct(held.physical() + address % PAGE_BYTES) as *mut u64;
    // SAFETY: the frame is mapped in the space and cannot go while the kernel lock is held; the caller vouches for the rest.
    unsafe { wide::copy(from, to, words) };
    true
}

/// Changes the access of a mapped page.
pub fn protect(space: Space, address: u64, access: Access) {
    if let Some((table, index, held)) = held_entry(space, address) {
        table.set(index, entry(Frame::containing(held.physical()), access));
    }
}

/// Drops stale translations in every processor.
pub fn flush(space: Space, address: u64, pages: u64) {
    shootdown::flush(space.0.address(), address, pages);
}

fn held_entry(space: Space, address: u64) -> Option<(Table, u64, Entry)> {
    let table = page_table::find(table(space.0.address()), address, 0)?;
    let index = page_table::index(address, 0);
    let entry = table.get(index);
    entry.flags().contains(HELD).then_some((table, index, entry))
}

fn entry(frame: Frame, access: Access) -> Entry {
    let user = Flags::PRESENT | Flags::USER_ACCESSIBLE;
    let flags = match access {
        Access::None => Flags::NO_EXECUTE,
        Access::Read => user | Flags::NO_EXECUTE,
        Access::ReadWrite => user | Flags::NO_EXECUTE | Flags::WRITABLE,
        Access::ReadExecute => user,
    };
    Entry::new(frame.address(), flags | HELD)
}

fn new_table(tables: &mut PageTables<'_>) -> Result<Frame, OutOfFrames> {
    tables.take(zero)
}

/// Fills a frame with zeros.
pub fn zero(frame: Frame) {
    // SAFETY: the frame allocator gave the frame to the caller, and the direct map reaches all its frames.
    unsafe { wide::zero_page(layout::direct(frame.address()) as *mut u64) };
}

fn table(physical: u64) -> Table {
    // SAFETY: the core passes roots that `create` made, and calls under the kernel lock.
    unsafe { Table::new(physical) }
}
