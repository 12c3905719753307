//! What surrounds a capnp segment in the arena.
//!
//! Sent: [`CapDescriptor`]s, then the segment. Received result: handles (8 bytes each), then the segment.
//! Delivered call: [`DeliveryHeader`], handles, then the segment. A segment is unframed: one capnp segment, root at word 0.

use core::mem::size_of;

/// Capabilities that one message can carry.
pub const MAX_CAPS: usize = 15;

/// A capability to send.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CapDescriptor {
    /// The sender's handle; 0 sends a null capability.
    pub handle: u64,
    /// One of [`mode`].
    pub mode: u64,
}

const _: () = assert!(size_of::<CapDescriptor>() == 16);

/// How a capability is sent.
pub mod mode {
    /// The receiver gets a child of the sender's grant; the sender keeps its own.
    pub const COPY: u64 = 0;
    /// The receiver's slot takes the place of the sender's, which is locked until delivery and then empty.
    pub const MOVE: u64 = 1;
    /// Added to either: the receiver's capability and its copies stay in the receiver's session.
    pub const CONFINED: u64 = 2;
}

/// Attributes of a session that a call may disclose: in [`DeliveryHeader::disclosed`] each of them says that its byte counts.
pub mod attribute {
    /// `Session.Principal`, in the second byte.
    pub const PRINCIPAL: u32 = 1;
    /// `Session.Strength`, in the third byte.
    pub const STRENGTH: u32 = 2;
    /// The profile's number, in the fourth byte.
    pub const PROFILE: u32 = 4;
}

/// Flags of a delivery.
pub mod delivery_flag {
    /// The call was sent with [`crate::ring::flag::SPILLED`]: the kernel vouches for the memory being sealed.
    pub const SPILLED: u8 = 1;
}

/// Stands before every delivered call.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeliveryHeader {
    /// Interface of the capability that the caller was granted. Objects are selected by this and `key`.
    pub granted_interface: u64,
    /// Key of the object, chosen by its minter.
    pub key: u64,
    /// Interface that the caller called.
    pub called_interface: u64,
    /// Bytes of the capnp segment.
    pub segment_bytes: u32,
    /// Method called.
    pub method: u16,
    /// Capabilities that follow this header.
    pub caps: u8,
    /// Bits of [`delivery_flag`].
    pub flags: u8,
    /// Bytes that the caller accepts as a result, capabilities included.
    pub result_bytes: u32,
    /// Session attributes that caller and grant agree to disclose: which (see [`attribute`]) in the first byte, then their values.
    pub disclosed: u32,
    /// The call's deadline in absolute monotonic nanoseconds, 0 = none.
    pub deadline: u64,
    /// The caller's session, as this endpoint knows it: the same for every call of that session, and another one elsewhere.
    pub session: [u64; 2],
}

const _: () = assert!(size_of::<DeliveryHeader>() == 64);
