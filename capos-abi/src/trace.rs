//! The kernel's trace as a debugger finds it: the static `TRACE` holds a [`TraceHeader`], which says where the rings lie.

use core::mem::size_of;

/// `TraceHeader::magic`: "capstrce".
pub const MAGIC: u64 = u64::from_le_bytes(*b"capstrce");
/// Events in one processor's ring; a power of two.
pub const RING_EVENTS: u64 = 16_384;

/// Where the trace lies and how to read it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct TraceHeader {
    /// [`MAGIC`] while the kernel traces, else zero.
    pub magic: u64,
    /// Ticks of the time stamps in a second.
    pub hertz: u64,
    /// Physical address of the first ring.
    pub rings: u64,
    /// Number of rings; each is a [`TraceCursor`] and [`RING_EVENTS`] events.
    pub processors: u64,
}

const _: () = assert!(size_of::<TraceHeader>() == 32);

/// Head of a ring.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct TraceCursor {
    /// Events ever written; the next one goes to this index modulo [`RING_EVENTS`].
    pub written: u64,
    /// Ticks of the longest stay in the kernel: from an `ENTER`, `FAULT` or `INTERRUPT` to the next event.
    pub longest_stay: u64,
    /// The vector that it began with.
    pub longest_vector: u64,
}

const _: () = assert!(size_of::<TraceCursor>() == 24);

/// One event.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TraceEvent {
    /// Time stamp counter.
    pub stamp: u64,
    /// By kind.
    pub data: u64,
    /// Context index of the thread, if one is concerned.
    pub thread: u32,
    /// One of [`kind`].
    pub kind: u32,
}

const _: () = assert!(size_of::<TraceEvent>() == 24);

/// Kinds of events.
pub mod kind {
    /// The processor leaves the kernel for a thread; `data` is the start of its process's name.
    pub const RUN: u32 = 1;
    /// The processor enters the kernel, not by a page fault; `data` is the vector.
    pub const ENTER: u32 = 2;
    /// The processor waits for an interrupt.
    pub const IDLE: u32 = 3;
    /// An interrupt ended the wait; `data` is the vector.
    pub const INTERRUPT: u32 = 4;
    /// A page fault brought the processor into the kernel; `data` is the address.
    pub const FAULT: u32 = 5;
}
