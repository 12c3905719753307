//! Where the fields of a kernel message lie; the generated [`crate::interface`] is made of these.

/// Size of a message's root struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// 64-bit words of data.
    pub data_words: u16,
    /// Pointers behind the data.
    pub pointers: u16,
}

/// A number in the data section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// Bytes from the start of the data section.
    pub offset: u16,
    /// Width in bytes: 1, 2, 4 or 8.
    pub bytes: u8,
    /// The schema's default, XORed with what is stored.
    pub default: u64,
}

/// A pointer to a capability, Data or Text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pointer {
    /// Index in the pointer section.
    pub index: u16,
}
