//! The capability ring: one area per thread, shared between that thread and the kernel.
//!
//! The user side writes submissions and `sq_tail`, reads completions and writes `cq_head`. The kernel keeps its own
//! positions and only publishes them. Positions count up and wrap; the entry is `position % ENTRIES`.

use core::mem::{offset_of, size_of};

/// Version of this layout, in [`Header::abi_version`].
pub const ABI_VERSION: u32 = 1;

/// Entries of the submission queue.
pub const SUBMISSION_ENTRIES: u32 = 64;
/// Entries of the completion queue.
pub const COMPLETION_ENTRIES: u32 = 128;
/// Pending records of a ring; tags are smaller than this.
pub const PENDING_RECORDS: usize = 256;
/// Completions that a RECV must leave free after its reservation.
pub const RECEIVE_HEADROOM: u32 = 32;

/// Bytes of the smallest ring area.
pub const MIN_AREA_BYTES: u32 = 16 << 10;
/// Bytes of the largest ring area.
pub const MAX_AREA_BYTES: u32 = 2 << 20;
/// Bytes of a ring area where nothing else was asked for.
pub const DEFAULT_AREA_BYTES: u32 = 64 << 10;
/// Bytes of the largest inline message, capability descriptors included.
pub const MAX_MESSAGE_BYTES: u32 = 64 << 10;

/// Byte offset of the submission queue in the area.
pub const SUBMISSION_OFFSET: u32 = 0x1000;
/// Byte offset of the completion queue in the area.
pub const COMPLETION_OFFSET: u32 = 0x2000;
/// Byte offset of the message arena in the area. Arena offsets in entries count from here.
pub const ARENA_OFFSET: u32 = 0x3000;

/// First page of a ring area.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// [`ABI_VERSION`].
    pub abi_version: u32,
    /// Bytes of the whole area.
    pub area_bytes: u32,
    /// Bytes of the message arena.
    pub arena_bytes: u32,
    /// Feature bits; none is defined yet.
    pub features: u32,
    /// Zero.
    pub reserved0: [u64; 6],
    /// Position behind the last submission; written by the user.
    pub sq_tail: u32,
    /// Zero.
    pub reserved1: [u32; 15],
    /// Position of the first unread completion; written by the user.
    pub cq_head: u32,
    /// Zero.
    pub reserved2: [u32; 15],
    /// Position of the first submission that has not started; published by the kernel.
    pub sq_head: u32,
    /// Position behind the last completion; published by the kernel.
    pub cq_tail: u32,
    /// Zero.
    pub reserved3: [u32; 14],
}

const _: () = assert!(offset_of!(Header, sq_tail) == 0x40);
const _: () = assert!(offset_of!(Header, cq_head) == 0x80);
const _: () = assert!(offset_of!(Header, sq_head) == 0xc0);
const _: () = assert!(offset_of!(Header, cq_tail) == 0xc4);
const _: () = assert!(size_of::<Header>() == 0x100);

/// Submission entry.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Submission {
    /// One of [`op`].
    pub op: u8,
    /// Capabilities sent (low nibble) and accepted in the result or per delivery (high nibble).
    pub caps: u8,
    /// Bits of [`flag`].
    pub flags: u16,
    /// Method of a CALL.
    pub method: u16,
    /// Index of the pending record; smaller than [`PENDING_RECORDS`].
    pub tag: u16,
    /// The capability that the operation goes to.
    pub handle: u64,
    /// Interface called by a CALL.
    pub interface: u64,
    /// Comes back in every completion of this entry.
    pub user_data: u64,
    /// Arena offset of the message or, for RECV, of the pool; a multiple of 8.
    pub message_offset: u32,
    /// Bytes of the message, capability descriptors included; a multiple of 8. For RECV unused.
    pub message_bytes: u32,
    /// Arena offset of the range for the result; a multiple of 8.
    pub result_offset: u32,
    /// Bytes of that range; for RECV the bytes of one slot of the pool; a multiple of 8.
    pub result_bytes: u32,
    /// Absolute monotonic nanoseconds after which the operation ends by itself; 0 = never.
    pub deadline: u64,
    /// By operation: RECV: number of slots; RETURN: the call's token; CANCEL: the tag; WAIT, SIGNAL: bits;
    /// CALL: session attributes that the caller is willing to disclose.
    pub arg: u64,
}

const _: () = assert!(size_of::<Submission>() == 64);

/// First word of a [`Submission`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubmissionHead {
    /// One of [`op`].
    pub op: u8,
    /// [`Submission::caps`].
    pub caps: u8,
    /// Bits of [`flag`].
    pub flags: u16,
    /// [`Submission::method`].
    pub method: u16,
    /// [`Submission::tag`].
    pub tag: u16,
}

const _: () = assert!(size_of::<SubmissionHead>() == 8 && offset_of!(Submission, handle) == 8);

/// Operation codes.
pub mod op {
    /// Completes.
    pub const NOP: u8 = 0;
    /// Calls a method of the object behind `handle`.
    pub const CALL: u8 = 1;
    /// Receives calls of the endpoint behind `handle` into a pool of slots until cancelled.
    pub const RECV: u8 = 2;
    /// Answers the delivered call whose token is `arg`.
    pub const RETURN: u8 = 3;
    /// Cancels the operation pending under tag `arg`.
    pub const CANCEL: u8 = 4;
    /// Frees `handle`.
    pub const RELEASE: u8 = 5;
    /// Waits for any of the bits `arg` of the notification `handle` (0: the thread's own; no bits: a timer).
    pub const WAIT: u8 = 6;
    /// Sets the bits `arg` of the notification, or of the thread's own notification, behind `handle`.
    pub const SIGNAL: u8 = 7;
}

/// Flags of submissions.
pub mod flag {
    /// No completion if the operation succeeds.
    pub const QUIET: u16 = 1;
    /// RETURN: the message is an `Exception`.
    pub const EXCEPTION: u16 = 2;
    /// RELEASE: only if no capability derived from it exists.
    pub const IF_UNREFERENCED: u16 = 4;
    /// CALL, RETURN: the capnp segment lies in sealed memory, which is the first capability; the message is one word, the
    /// segment's bytes.
    pub const SPILLED: u16 = 8;
}

/// Flags of completions.
pub mod completion_flag {
    /// The result was sent with [`super::flag::SPILLED`]: the kernel vouches for the memory being sealed.
    pub const SPILLED: u16 = 1;
    /// Among the capabilities received are objects that the receiving process minted (see `EndpointServer.identify`).
    pub const OWN_OBJECT: u16 = 2;
}

/// Completion entry.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// From the submission.
    pub user_data: u64,
    /// One of [`crate::status`].
    pub status: i32,
    /// Bytes of the result or delivery, capabilities (8 bytes each) and delivery header included. An `EXHAUSTED` status: resource
    /// and ledger ([`crate::status::exhausted`]).
    pub bytes: u32,
    /// One of [`kind`].
    pub kind: u8,
    /// Capabilities received.
    pub caps: u8,
    /// Bits of [`completion_flag`].
    pub flags: u16,
    /// Tag of the submission.
    pub tag: u16,
    /// Slot of the pool that holds a delivery.
    pub slot: u16,
    /// By kind: delivery, cancel notice: the call's token; WAIT: the bits taken; unreferenced: the origin's handle;
    /// an `EXHAUSTED` status: what was asked for and what remains ([`crate::status::exhausted`]); other statuses: their own.
    pub value: u64,
}

const _: () = assert!(size_of::<Completion>() == 32);

/// Kinds of completions.
pub mod kind {
    /// The operation is over; its tag is free again.
    pub const DONE: u8 = 0;
    /// A call was delivered to a RECV.
    pub const DELIVERY: u8 = 1;
    /// The caller of a delivered call is gone; its RETURN will find `CALLER_GONE`.
    pub const CANCEL_NOTICE: u8 = 2;
    /// An origin has lost its last derived capability.
    pub const UNREFERENCED: u8 = 3;
}
