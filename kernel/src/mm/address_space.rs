//! The address space of a process: the lower half of its page tables.

use super::kernel_space::{self, FIRST_KERNEL_ENTRY};
use super::layout::{self, USER_END};
use super::page_table::{self, ENTRIES, Entry, Table};
use super::{shootdown, wide};
use crate::processors;
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

/// Frees the tables of a space, after every processor has left it.
pub fn destroy(space: Space, frames: &mut FrameAllocator) {
    processors::leave_space(space.0.address());
    let root = table(space.0.address());
    (0..FIRST_KERNEL_ENTRY)
        .filter_map(|index| root.next(index))
        .for_each(|below| free_tables(below, LEVELS - 1, frames));
    frames.free(space.0);
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

/// Frees a table and those below it; `level` counts how many are below.
fn free_tables(table: Table, level: u32, frames: &mut FrameAllocator) {
    if level > 0 {
        (0..ENTRIES).filter_map(|index| table.next(index)).for_each(|below| free_tables(below, level - 1, frames));
    }
    frames.free(Frame::containing(table.physical()));
}

fn table(physical: u64) -> Table {
    // SAFETY: the core passes roots that `create` made, and calls under the kernel lock.
    unsafe { Table::new(physical) }
}
