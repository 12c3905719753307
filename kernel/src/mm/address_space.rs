//! The address space of a process: the lower half of its page tables.

use super::kernel_space::{self, FIRST_KERNEL_ENTRY};
use super::layout::{self, USER_END};
use super::page_table::{self, ENTRIES, Entry, Table};
use super::{shootdown, wide};
use crate::processors;
use capos_abi::PAGE_BYTES;
use kernel_core::frame::{Frame, FrameAllocator, OutOfFrames};
use kernel_core::memory::Access;
use kernel_core::platform::Space;
use x86_64::structures::paging::PageTableFlags as Flags;

/// Marks an entry that holds a frame, whether or not programs may access it.
const HELD: Flags = Flags::BIT_9;
/// Levels of tables below the root.
const LEVELS: u32 = 3;

/// An empty space.
pub fn create(frames: &mut FrameAllocator) -> Result<Space, OutOfFrames> {
    let root = new_table(frames)?;
    let kernel = table(kernel_space::root());
    (FIRST_KERNEL_ENTRY..ENTRIES).for_each(|index| table(root.address()).set(index, kernel.get(index)));
    Ok(Space(root))
}

/// Frees up to `tables` tables of a space, after every processor has left it; whether all are free.
pub fn destroy(space: Space, frames: &mut FrameAllocator, mut tables: u32) -> bool {
    processors::leave_space(space.0.address());
    let all = free_below(table(space.0.address()), FIRST_KERNEL_ENTRY, LEVELS, &mut tables, frames);
    if all {
        frames.free(space.0);
    }
    all
}

/// Maps a page; returns how many frames new tables took.
pub fn map(
    space: Space,
    frames: &mut FrameAllocator,
    address: u64,
    frame: Frame,
    access: Access,
) -> Result<u64, OutOfFrames> {
    if address >= USER_END {
        crate::panic::bug(format_args!("the core maps {address:#x} for a program"));
    }
    let mut taken = 0;
    let new = || {
        let frame = new_table(frames)?;
        taken += 1;
        Ok(frame)
    };
    let flags = Flags::PRESENT | Flags::WRITABLE | Flags::USER_ACCESSIBLE;
    let table = page_table::find_or_new(table(space.0.address()), address, 0, flags, new)?;
    table.set(page_table::index(address, 0), entry(frame, access));
    Ok(taken)
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

fn new_table(frames: &mut FrameAllocator) -> Result<Frame, OutOfFrames> {
    let frame = frames.allocate()?;
    zero(frame);
    Ok(frame)
}

/// Fills a frame with zeros.
pub fn zero(frame: Frame) {
    // SAFETY: the frame allocator gave the frame to the caller, and the direct map reaches all its frames.
    unsafe { wide::zero(layout::direct(frame.address()) as *mut u64, ENTRIES as usize) };
}

/// Frees the tables that the first `entries` entries lead to, and those below, which are `levels` levels, until `left` is used up;
/// whether all are free.
fn free_below(table: Table, entries: u64, levels: u32, left: &mut u32, frames: &mut FrameAllocator) -> bool {
    let mut index = 0;
    while let Some(used) = table.first_used(index, entries) {
        index = used + 1;
        let Some(below) = table.next(used) else { continue };
        if levels > 1 && !free_below(below, ENTRIES, levels - 1, left, frames) || *left == 0 {
            return false;
        }
        *left -= 1;
        table.set(used, Entry::EMPTY);
        frames.free(Frame::containing(below.physical()));
    }
    true
}

fn table(physical: u64) -> Table {
    // SAFETY: the core passes roots that `create` made, and calls under the kernel lock.
    unsafe { Table::new(physical) }
}
