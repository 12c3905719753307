//! Where the fields of a kernel message lie; the generated [`crate::interface`] is made of these.

use core::mem::size_of;

/// Size of a message's root struct.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// 64-bit words of data.
    pub data_words: u16,
    /// Pointers behind the data.
    pub pointers: u16,
}

const _: () = assert!(size_of::<Shape>() == 4);

/// A number in the data section.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// Bytes from the start of the data section.
    pub offset: u32,
    /// Width in bytes: 1, 2, 4 or 8.
    pub bytes: u32,
    /// The schema's default, XORed with what is stored.
    pub default: u64,
}

const _: () = assert!(size_of::<Scalar>() == 16);

/// A pointer to a capability, Data or Text.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pointer {
    /// Index in the pointer section.
    pub index: u16,
}

const _: () = assert!(size_of::<Pointer>() == 2);
