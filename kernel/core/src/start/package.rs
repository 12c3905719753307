//! The boot package's fixed header and table, checked before anything in it is used.
use capos_abi::PAGE_BYTES;
use capos_abi::package::{MAGIC, MAX_ENTRIES, NAME_BYTES, PackageEntry, PackageHeader, VERSION};
use core::fmt;

const HEADER_BYTES: usize = size_of::<PackageHeader>();
const ENTRY_BYTES: usize = size_of::<PackageEntry>();

/// Why a boot package is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackageError {
    /// There is none.
    Missing,
    /// It does not start with the magic number.
    NotAPackage,
    /// Its version is another one.
    Version(u32),
    /// It says that it is longer than what was loaded.
    Truncated {
        /// Bytes that the header announces.
        announced: u64,
        /// Bytes that were loaded.
        loaded: u64,
    },
    /// Its checksum does not match its content.
    Checksum,
    /// It has too many or too few entries.
    EntryCount(u32),
    /// An entry is misaligned or lies outside of the file.
    EntryRange(u32),
    /// An entry's name is not UTF-8.
    EntryName(u32),
}

impl fmt::Display for PackageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => write!(f, "there is no boot package"),
            Self::NotAPackage => write!(f, "the boot module is not a boot package"),
            Self::Version(v) => write!(f, "the boot package has version {v}, this kernel reads version {VERSION}"),
            Self::Truncated { announced, loaded } => {
                write!(f, "the boot package is truncated: {announced} bytes announced, {loaded} loaded")
            }
            Self::Checksum => write!(f, "the boot package is corrupt: its checksum does not match"),
            Self::EntryCount(n) => write!(f, "the boot package has {n} entries, allowed are 2 to {MAX_ENTRIES}"),
            Self::EntryRange(i) => write!(f, "entry {i} of the boot package is misaligned or lies outside of it"),
            Self::EntryName(i) => write!(f, "entry {i} of the boot package has a name that is not UTF-8"),
        }
    }
}

/// One content of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Name.
    pub name: &'a str,
    /// Byte offset in the package, a multiple of the page size.
    pub offset: u64,
    /// Content.
    pub content: &'a [u8],
}

/// A package whose header, table and checksum are right.
#[derive(Clone, Copy, Debug)]
pub struct Package<'a> {
    bytes: &'a [u8],
    count: u32,
}

impl<'a> Package<'a> {
    /// Checks a package.
    pub fn parse(loaded: &'a [u8]) -> Result<Self, PackageError> {
        if loaded.is_empty() {
            return Err(PackageError::Missing);
        }
        let word = |at| u64_at(loaded, at).ok_or(PackageError::NotAPackage);
        if word(0)? != MAGIC {
            return Err(PackageError::NotAPackage);
        }
        let (version, count) = (word(8)? as u32, (word(8)? >> 32) as u32);
        if version != VERSION {
            return Err(PackageError::Version(version));
        }
        let announced = word(16)?;
        let bytes = usize::try_from(announced).ok().and_then(|n| loaded.get(..n));
        let bytes = bytes.ok_or(PackageError::Truncated { announced, loaded: loaded.len() as u64 })?;
        if u64::from(crc32fast::hash(bytes.get(HEADER_BYTES..).unwrap_or_default())) != word(24)? {
            return Err(PackageError::Checksum);
        }
        if !(2..=MAX_ENTRIES).contains(&count) {
            return Err(PackageError::EntryCount(count));
        }
        let package = Self { bytes, count };
        (0..count).try_for_each(|i| package.entry(i).map(drop))?;
        Ok(package)
    }

    /// Number of entries.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// An entry.
    pub fn entry(&self, index: u32) -> Result<Entry<'a>, PackageError> {
        let range = PackageError::EntryRange(index);
        let at = HEADER_BYTES + index as usize * ENTRY_BYTES;
        let offset = u64_at(self.bytes, at).filter(|_| index < self.count).ok_or(range)?;
        let length = u64_at(self.bytes, at + 8).ok_or(range)?;
        let end = offset.checked_add(length).and_then(|e| usize::try_from(e).ok()).ok_or(range)?;
        let content = usize::try_from(offset).ok().and_then(|start| self.bytes.get(start..end)).ok_or(range)?;
        if offset % PAGE_BYTES != 0 || content.is_empty() {
            return Err(range);
        }
        let name = self.bytes.get(at + 24..at + 24 + NAME_BYTES).ok_or(range)?;
        let name = name.split(|&b| b == 0).next().unwrap_or_default();
        let name = core::str::from_utf8(name).map_err(|_| PackageError::EntryName(index))?;
        Ok(Entry { name, offset, content })
    }
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes)
}
