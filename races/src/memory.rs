//! The ring area that a thread and the kernel share: its header is atomics, its entries are watched for races.

use crate::sync::atomic::{AtomicU32, Ordering};
use capos_abi::ring::{ARENA_OFFSET, COMPLETION_OFFSET, DEFAULT_AREA_BYTES, Header, SUBMISSION_OFFSET};
use loom::cell::UnsafeCell;
use std::cell::{self, RefCell};
use std::collections::HashMap;
use std::mem::offset_of;

/// Bytes that are watched as one.
const BLOCK_BYTES: usize = 32;
const AREA_WORDS: usize = DEFAULT_AREA_BYTES as usize / size_of::<u64>();
/// Entries that short models use.
const FIRST_ENTRIES_BYTES: usize = 128;
/// A volatile access orders nothing by itself.
pub const VOLATILE: Ordering = Ordering::Relaxed;

/// How memory is used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It is read.
    Read,
    /// It is written.
    Write,
}

/// A ring area, and what loom knows of it.
#[derive(Default)]
struct Area {
    start: usize,
    atomics: HashMap<usize, &'static AtomicU32>,
    blocks: HashMap<usize, &'static UnsafeCell<()>>,
}

/// The memory of the one area; a page starts it.
#[repr(C, align(4096))]
struct Memory(cell::UnsafeCell<[u64; AREA_WORDS]>);

// SAFETY: loom runs its threads one at a time, and one model runs at a time.
unsafe impl Sync for Memory {}

static MEMORY: Memory = Memory(cell::UnsafeCell::new([0; AREA_WORDS]));

thread_local!(static AREA: RefCell<Area> = RefCell::default());

/// Forgets the area of the last order.
pub fn forget() {
    AREA.set(Area::default());
}

/// A zeroed ring area. Loom must know of what two threads share before there are two.
pub fn area() -> *mut u8 {
    let start = MEMORY.0.get().cast::<u8>();
    // SAFETY: the memory is that long, and no thread of an earlier order is left.
    unsafe { start.write_bytes(0, ARENA_OFFSET as usize) };
    AREA.set(Area { start: start.addr(), ..Area::default() });
    let positions = [
        offset_of!(Header, sq_tail),
        offset_of!(Header, sq_head),
        offset_of!(Header, cq_tail),
        offset_of!(Header, cq_head),
    ];
    positions.into_iter().for_each(|offset| atomic(start.addr() + offset).store(0, VOLATILE));
    for queue in [SUBMISSION_OFFSET, COMPLETION_OFFSET] {
        note(start.addr() + queue as usize, FIRST_ENTRIES_BYTES, Access::Write);
    }
    start
}

/// The atomic at an address.
pub fn atomic(address: usize) -> &'static AtomicU32 {
    AREA.with_borrow_mut(|area| *area.atomics.entry(address).or_insert_with(|| Box::leak(Box::new(AtomicU32::new(0)))))
}

/// The atomic that a volatile access of so many bytes goes to, if it is one to the header.
pub fn header(address: usize, bytes: usize) -> Option<&'static AtomicU32> {
    let start = AREA.with_borrow(|area| area.start);
    let in_header = (start..start + SUBMISSION_OFFSET as usize).contains(&address);
    (in_header && bytes == size_of::<u32>()).then(|| atomic(address))
}

/// Tells loom of an access to entries.
pub fn note(address: usize, bytes: usize, access: Access) {
    let start = AREA.with_borrow(|area| area.start);
    let entries = start + SUBMISSION_OFFSET as usize..start + ARENA_OFFSET as usize;
    if start == 0 || !entries.contains(&address) {
        return;
    }
    for block in address / BLOCK_BYTES..=(address + bytes - 1) / BLOCK_BYTES {
        let cell = AREA.with_borrow_mut(|area| {
            *area.blocks.entry(block).or_insert_with(|| Box::leak(Box::new(UnsafeCell::new(()))))
        });
        match access {
            Access::Read => cell.with(|_| ()),
            Access::Write => cell.with_mut(|_| ()),
        }
    }
}
