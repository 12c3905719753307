//! The bytes of a boot package: header, entries, contents on page boundaries.

use capos_abi::PAGE_BYTES;
use capos_abi::package::{MAGIC, MAX_ENTRIES, NAME_BYTES, PackageEntry, PackageHeader, VERSION};
use std::mem::offset_of;

/// A content with its name.
pub struct Entry {
    /// Name, shorter than [`NAME_BYTES`].
    pub name: String,
    /// The content.
    pub content: Vec<u8>,
}

/// Lays the entries out.
///
/// # Panics
/// If there are too many entries or a name is too long; the manifest compiler refuses both.
pub fn write(entries: &[Entry]) -> Vec<u8> {
    assert!(entries.len() <= MAX_ENTRIES as usize, "too many entries");
    let head = size_of::<PackageHeader>() + entries.len() * size_of::<PackageEntry>();
    let mut table = Vec::new();
    let mut contents = Vec::new();
    for entry in entries {
        let offset = page_aligned(head) + contents.len();
        table.extend(entry_bytes(entry, offset as u64));
        contents.extend(&entry.content);
        contents.resize(page_aligned(contents.len()), 0);
    }
    table.resize(page_aligned(head) - size_of::<PackageHeader>(), 0);
    let mut body = table;
    body.extend(contents);
    let mut file = header_bytes(entries.len() as u32, &body);
    file.extend(body);
    file
}

/// The entries of a package; as many as can be read of one that is not whole.
pub fn read(package: &[u8]) -> impl Iterator<Item = (&str, &[u8])> {
    let entries = package.get(size_of::<PackageHeader>()..).unwrap_or_default().as_chunks().0;
    let count = number(package, offset_of!(PackageHeader, entry_count), 4);
    entries.iter().take(count).map_while(|entry: &[u8; size_of::<PackageEntry>()]| {
        let name = entry[offset_of!(PackageEntry, name)..][..NAME_BYTES].split(|byte| *byte == 0).next()?;
        let start = number(entry, offset_of!(PackageEntry, offset), 8);
        let end = start.checked_add(number(entry, offset_of!(PackageEntry, bytes), 8))?;
        Some((str::from_utf8(name).ok()?, package.get(start..end)?))
    })
}

/// The number of so many bytes at an offset; 0 if it is not there.
fn number(bytes: &[u8], offset: usize, count: usize) -> usize {
    let bytes = bytes.get(offset..offset + count).unwrap_or_default();
    bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

fn header_bytes(entry_count: u32, body: &[u8]) -> Vec<u8> {
    let total = (size_of::<PackageHeader>() + body.len()) as u64;
    let checksum = u64::from(crc32fast::hash(body));
    let mut bytes = Vec::new();
    bytes.extend(MAGIC.to_le_bytes());
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(entry_count.to_le_bytes());
    bytes.extend(total.to_le_bytes());
    bytes.extend(checksum.to_le_bytes());
    bytes
}

fn entry_bytes(entry: &Entry, offset: u64) -> Vec<u8> {
    assert!(entry.name.len() < NAME_BYTES, "the name {:?} is too long", entry.name);
    let mut name = [0; NAME_BYTES];
    name[..entry.name.len()].copy_from_slice(entry.name.as_bytes());
    let mut bytes = Vec::new();
    bytes.extend(offset.to_le_bytes());
    bytes.extend((entry.content.len() as u64).to_le_bytes());
    bytes.extend(0_u64.to_le_bytes());
    bytes.extend(name);
    bytes
}

fn page_aligned(bytes: usize) -> usize {
    bytes.next_multiple_of(PAGE_BYTES as usize)
}

#[cfg(test)]
mod test {
    use super::*;

    fn word(bytes: &[u8], offset: usize) -> u64 {
        u64::from_le_bytes(bytes[offset..offset + 8].try_into().unwrap())
    }

    #[test]
    fn contents_stand_on_pages_and_the_checksum_covers_them() {
        let entries = [("manifest", vec![1; 5]), ("init", vec![2; 4096]), ("empty", vec![]), ("last", vec![3; 4097])];
        let entries = entries.map(|(name, content)| Entry { name: name.into(), content });
        let file = write(&entries);
        assert_eq!(file.len() as u64 % PAGE_BYTES, 0);
        assert_eq!(word(&file, 16), file.len() as u64);
        assert_eq!(word(&file, 24), u64::from(crc32fast::hash(&file[32..])));
        for (index, entry) in entries.iter().enumerate() {
            let at = 32 + 64 * index;
            let (offset, bytes) = (word(&file, at) as usize, word(&file, at + 8) as usize);
            assert_eq!(offset % PAGE_BYTES as usize, 0);
            assert_eq!(file[offset..offset + bytes], entry.content);
            assert_eq!(&file[at + 24..at + 24 + entry.name.len()], entry.name.as_bytes());
        }
        assert!(read(&file).eq(entries.iter().map(|entry| (entry.name.as_str(), entry.content.as_slice()))));
        assert_eq!(read(&file[..4096]).next(), None, "its contents are missing");
        assert_eq!(read(&[]).next(), None);
    }
}
