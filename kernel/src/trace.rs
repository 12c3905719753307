//! The trace: what each processor did when, in binary rings that a debugger reads (`capos_abi::trace`, `make trace`).
//!
//! Tracing is asked for on the command line (`trace`). Off, it costs one load and one branch for each event. The longest stay in
//! the kernel is noted for each processor and told at the end ([`Longest`]).

use crate::arch::{clock, vector};
use crate::mm::boot_frames::BootFrames;
use crate::mm::layout;
use crate::processors;
use capos_abi::PAGE_BYTES;
use capos_abi::trace::{MAGIC, RING_EVENTS, TraceCursor, TraceEvent, TraceHeader, kind};
use core::cell::UnsafeCell;
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};
use x86_64::registers::control::Cr2;

/// Word of the command line that turns tracing on.
pub const OPTION: &str = "trace";

const PAGE_FAULT: u64 = vector::PAGE_FAULT as u64;
const RING_BYTES: u64 = (size_of::<TraceCursor>() as u64) + RING_EVENTS * size_of::<TraceEvent>() as u64;

/// Where the tools find the trace.
#[repr(transparent)]
struct Shared(UnsafeCell<TraceHeader>);

// SAFETY: written once, by the boot processor before the others get the core.
unsafe impl Sync for Shared {}

#[unsafe(no_mangle)]
static TRACE: Shared = Shared(UnsafeCell::new(TraceHeader { magic: 0, hertz: 0, rings: 0, processors: 0 }));

/// Address of the rings in the direct map; 0 = off.
static RINGS: AtomicU64 = AtomicU64::new(0);

/// The newest events of this processor, for its last words; nothing while tracing is off.
pub struct Last(pub usize);

/// Events that [`Last`] shows.
const SHOWN_EVENTS: u64 = 8;

impl fmt::Display for Last {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let rings = RINGS.load(Ordering::Relaxed);
        if rings == 0 {
            return Ok(());
        }
        let now = clock::stamp();
        let cursor = (rings + self.0 as u64 * RING_BYTES) as *const TraceCursor;
        // SAFETY: the ring lies in memory that `start` set aside, and only this processor writes it.
        let written = unsafe { (*cursor).written };
        f.write_str("\nthe last events, ticks before the end:")?;
        for index in (written.saturating_sub(SHOWN_EVENTS)..written).rev() {
            // SAFETY: as above; the index is in the ring.
            let event = unsafe { cursor.add(1).cast::<TraceEvent>().add((index % RING_EVENTS) as usize).read() };
            let name = name(event.kind);
            write!(f, "\n  {:>12} {name} thread {} data {:#x}", now - event.stamp, event.thread, event.data)?;
        }
        Ok(())
    }
}

/// The longest stay in the kernel of each processor, in a line each; nothing while tracing is off.
pub struct Longest;

impl fmt::Display for Longest {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let rings = RINGS.load(Ordering::Relaxed);
        if rings == 0 {
            return Ok(());
        }
        for processor in 0..processors::all().count() {
            // SAFETY: the ring lies in memory that `start` set aside; a line too old by one stay does no harm.
            let cursor = unsafe { ((rings + processor as u64 * RING_BYTES) as *const TraceCursor).read_volatile() };
            let TraceCursor { longest_stay, longest_vector, .. } = cursor;
            writeln!(
                f,
                "trace: processor {processor} stayed {longest_stay} ticks in the kernel at most, by {longest_vector:#x}"
            )?;
        }
        Ok(())
    }
}

fn name(event: u32) -> &'static str {
    match event {
        kind::RUN => "run",
        kind::ENTER => "enter",
        kind::IDLE => "idle",
        kind::INTERRUPT => "interrupt",
        kind::FAULT => "fault",
        _ => "other",
    }
}

/// Sets memory aside and starts tracing.
pub fn start(processors: usize, frames: &mut BootFrames) {
    let pages = (processors as u64 * RING_BYTES).div_ceil(PAGE_BYTES);
    let rings = frames.take_run(pages);
    let header = TraceHeader { magic: MAGIC, hertz: clock::stamp_hertz(), rings, processors: processors as u64 };
    // SAFETY: the frames are this module's own, and the other processors still wait for the core.
    unsafe {
        (layout::direct(rings) as *mut u64).write_bytes(0, (pages * PAGE_BYTES / 8) as usize);
        TRACE.0.get().write(header);
    }
    RINGS.store(layout::direct(rings), Ordering::Relaxed);
}

/// Whether events are recorded.
#[inline]
pub fn is_on() -> bool {
    RINGS.load(Ordering::Relaxed) != 0
}

/// Records that a thread came into the kernel: by a page fault with its address, else with the vector.
#[inline]
pub fn entered(processor: usize, thread: u32, vector: u64) {
    if is_on() {
        let (kind, data) = match vector {
            PAGE_FAULT => (kind::FAULT, Cr2::read_raw()),
            vector => (kind::ENTER, vector),
        };
        record(processor, kind, thread, data);
    }
}

/// Records an event of this processor.
#[inline]
pub fn record(processor: usize, kind: u32, thread: u32, data: u64) {
    let rings = RINGS.load(Ordering::Relaxed);
    if rings != 0 {
        write(rings, processor, kind, thread, data);
    }
}

#[cold]
fn write(rings: u64, processor: usize, kind: u32, thread: u32, data: u64) {
    let ring = rings + processor as u64 * RING_BYTES;
    let cursor = ring as *mut TraceCursor;
    // SAFETY: the ring lies in memory that `init` set aside, and only this processor writes it, with interrupts off.
    unsafe {
        let (written, stamp) = ((*cursor).written, clock::stamp());
        let events = cursor.add(1).cast::<TraceEvent>();
        events.add((written % RING_EVENTS) as usize).write(TraceEvent { stamp, data, thread, kind });
        (*cursor).written = written + 1;
        note_stay(&mut *cursor, &*events.add((written.wrapping_sub(1) % RING_EVENTS) as usize), stamp);
    }
}

/// A stay in the kernel may have ended that began with the event before.
fn note_stay(cursor: &mut TraceCursor, before: &TraceEvent, end: u64) {
    let vector = match before.kind {
        kind::ENTER | kind::INTERRUPT => before.data,
        kind::FAULT => PAGE_FAULT,
        _ => return,
    };
    let stay = end.saturating_sub(before.stamp);
    if stay > cursor.longest_stay {
        (cursor.longest_stay, cursor.longest_vector) = (stay, vector);
    }
}
