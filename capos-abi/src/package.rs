//! The boot package: the compiled manifest and the program binaries in one file.
//!
//! [`PackageHeader`], then `entry_count` [`PackageEntry`]s, then the contents, each starting on a page boundary so that the
//! kernel can hand it out as a `MemoryObject` without copying. The space between is zero; the file is a multiple of a page.
//! Entry 0 is the manifest (a framed capnp message), entry 1 the program `init`.

use core::mem::size_of;

/// `PackageHeader::magic`: "capospkg".
pub const MAGIC: u64 = u64::from_le_bytes(*b"capospkg");
/// Version of this layout.
pub const VERSION: u32 = 1;
/// Entries of a package at most.
pub const MAX_ENTRIES: u32 = 60;
/// Bytes of an entry's name.
pub const NAME_BYTES: usize = 40;
/// Index of the manifest.
pub const MANIFEST_ENTRY: u32 = 0;
/// Index of the program `init`.
pub const INIT_ENTRY: u32 = 1;

/// First bytes of the package.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct PackageHeader {
    /// [`MAGIC`].
    pub magic: u64,
    /// [`VERSION`].
    pub version: u32,
    /// Number of entries.
    pub entry_count: u32,
    /// Bytes of the whole file.
    pub total_bytes: u64,
    /// CRC-32 (IEEE 802.3) of everything behind this header, low 32 bits; high bits zero.
    pub checksum: u64,
}

const _: () = assert!(size_of::<PackageHeader>() == 32);

/// One content of the package.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct PackageEntry {
    /// Byte offset in the file; a multiple of the page size.
    pub offset: u64,
    /// Bytes of the content.
    pub bytes: u64,
    /// Zero.
    pub reserved: u64,
    /// Name in UTF-8, padded with zero bytes.
    pub name: [u8; NAME_BYTES],
}

const _: () = assert!(size_of::<PackageEntry>() == 64);
