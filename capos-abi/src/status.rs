//! Status codes of completions. Zero is success; every error names what was wrong with the entry or its peer.

/// Status of a completed ring entry.
pub type Status = i32;

/// The operation succeeded.
pub const OK: Status = 0;

// The caller's entry is malformed.

/// The operation code is unknown.
pub const BAD_OPCODE: Status = -1;
/// A flag is unknown or not allowed for this operation.
pub const BAD_FLAGS: Status = -2;
/// A message, result or pool range is misaligned or lies outside of the arena.
pub const BAD_RANGE: Status = -3;
/// The tag is out of range or its pending record is in use.
pub const BAD_TAG: Status = -4;
/// The parameters are not a message that the method accepts.
pub const BAD_MESSAGE: Status = -5;
/// An argument lies outside of what the method allows.
pub const BAD_ARGUMENT: Status = -6;

// The caller's authority does not suffice.

/// The handle names no capability: it was never valid, was released, or its object has died.
pub const STALE: Status = -10;
/// The capability does not offer the called interface or operation.
pub const WRONG_INTERFACE: Status = -11;
/// The interface has no such method.
pub const UNIMPLEMENTED: Status = -12;
/// A capability named in the message cannot be transferred; the completion's `value` packs which and why (see [`transfer`]).
pub const BAD_CAPABILITY: Status = -13;
/// The receiver does not accept as many capabilities as the message carries; `value` is how many it takes, 0 if its ledger
/// pays for none.
pub const NOT_ACCEPTED: Status = -14;

// Something ran out or was in the wrong state.

/// A ledger has too little left; the completion's `bytes` and `value` pack of what, which ledger, what was asked for and what
/// remains (see [`exhausted`]).
pub const EXHAUSTED: Status = -20;
/// The message does not fit into the receiver's range or is larger than its endpoint takes; `value` is the limit in bytes.
/// A call answered so stays open.
pub const TOO_BIG: Status = -21;
/// The object is in a state that does not allow the operation.
pub const BAD_STATE: Status = -22;
/// No source for what was asked exists on this machine (for example entropy).
pub const UNAVAILABLE: Status = -23;

// The call ended otherwise than by its server's answer.

/// The operation was cancelled.
pub const CANCELLED: Status = -30;
/// The deadline passed.
pub const DEADLINE: Status = -31;
/// The serving process died after delivery; the call may have been executed.
pub const SERVER_DIED: Status = -32;
/// The call that is answered is gone: its caller cancelled it or died.
pub const CALLER_GONE: Status = -33;
/// The operation to cancel is already returning, or there is none under this tag.
pub const TOO_LATE: Status = -34;
/// The caller's session has ended.
pub const SESSION_ENDED: Status = -35;

/// The server answered with an exception; the result range holds an `Exception` message.
pub const EXCEPTION: Status = -40;

/// Why a capability cannot be transferred: in the `value` of a [`BAD_CAPABILITY`] completion, above its index in the message.
pub mod transfer {
    /// Bits of the index.
    pub const WHY_SHIFT: u32 = 8;
    /// The sender's handle names nothing.
    pub const STALE: u8 = 1;
    /// It is moved and sent once more by the same message.
    pub const MOVED_TWICE: u8 = 2;
    /// The descriptor's mode is unknown.
    pub const UNKNOWN_MODE: u8 = 3;
    /// It may not leave the session that it was given to.
    pub const CONFINED: u8 = 4;
}

/// What an [`EXHAUSTED`] completion says: `bytes` is the [`resource`] and the ledger, `value` what was asked for and what remains,
/// in units of the resource; what is larger than 32 bits stands as their largest value.
pub mod exhausted {
    /// In `bytes`: the resource stands above so many bits.
    pub const RESOURCE_SHIFT: u32 = 24;
    /// In `bytes`: the number of the ledger, as `Ledger.inspect` tells it.
    pub const LEDGER_MASK: u32 = (1 << RESOURCE_SHIFT) - 1;
    /// In the place of a ledger: every ledger allowed it, but the machine has no more, or a table of the kernel is as large as it may
    /// become.
    pub const MACHINE: u32 = 0;
    /// In `value`: what was asked for stands above so many bits, what remains below.
    pub const REQUESTED_SHIFT: u32 = 32;
}

/// Resources that a ledger counts.
pub mod resource {
    /// Page frames (4096 bytes each), page tables and ring areas included.
    pub const FRAMES: u8 = 1;
    /// Slots in handle tables.
    pub const HANDLES: u8 = 2;
    /// Kernel objects.
    pub const OBJECTS: u8 = 3;
    /// Threads.
    pub const THREADS: u8 = 4;
    /// Bytes of the kernel's own memory; each unit of the other limits brings some.
    pub const KERNEL_MEMORY: u8 = 5;
    /// Ranges of one address map. No ledger counts them.
    pub const RANGES: u8 = 6;
}
