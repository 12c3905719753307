//! The trace: what each processor did when, in binary rings that a debugger reads (`capos_abi::trace`, `make trace`).
//!
//! Tracing is asked for on the command line (`trace`). Off, it costs one load and one branch for each event.

use crate::arch::clock;
use crate::mm::boot_frames::BootFrames;
use crate::mm::layout;
use capos_abi::PAGE_BYTES;
use capos_abi::trace::{MAGIC, RING_EVENTS, TraceCursor, TraceEvent, TraceHeader};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU64, Ordering};

/// Word of the command line that turns tracing on.
const OPTION: &str = "trace";

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

/// Whether the command line (zero behind its end) asks for it.
pub fn is_wanted(command_line: &[u8]) -> bool {
    command_line.split(|byte| byte.is_ascii_whitespace() || *byte == 0).any(|word| word == OPTION.as_bytes())
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
        let written = (*cursor).written;
        let event = cursor.add(1).cast::<TraceEvent>().add((written % RING_EVENTS) as usize);
        event.write(TraceEvent { stamp: clock::stamp(), data, thread, kind });
        (*cursor).written = written + 1;
    }
}
