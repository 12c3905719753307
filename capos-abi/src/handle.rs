//! Handles: a process's names for the capabilities it holds.

/// A handle: index of a slot in the holder's table (low 32 bits) and the slot's generation (high 32 bits).
///
/// Zero is never a valid handle: generations start at 1.
pub type Handle = u64;

/// No capability.
pub const NULL: Handle = 0;

/// Bits of a handle that hold the slot index.
pub const INDEX_BITS: u32 = 32;
