//! The initramfs: an archive in cpio's `newc` format, as the Linux kernel unpacks it.

use super::programs::Program;
use anyhow::{Context, Result};

/// Starts every entry.
const MAGIC: &str = "070701";
/// Everything is aligned to so many bytes.
const ALIGNMENT: usize = 4;
const FOLDER: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const CHARACTER_DEVICE: u32 = 0o020_600;
/// Major and minor number of /dev/console.
const CONSOLE: [u32; 2] = [5, 1];

/// An archive with the folders and devices that the programs need, and the programs at the top.
pub fn initramfs(programs: &[Program]) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    ["dev", "proc", "sys"].iter().for_each(|name| archive.add(name, FOLDER, &[], [0; 2]));
    archive.add("dev/console", CHARACTER_DEVICE, &[], CONSOLE);
    for program in programs {
        let content = std::fs::read(&program.path).with_context(|| program.path.display().to_string())?;
        archive.add(program.name, PROGRAM, &content, [0; 2]);
    }
    Ok(archive.finish())
}

#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    fn add(&mut self, name: &str, mode: u32, content: &[u8], device: [u32; 2]) {
        self.entries += 1;
        let [major, minor] = device;
        let name_bytes = name.len() as u32 + 1;
        // Number, mode, owner, group, links, time, size, device of the file system, device, length of the name, checksum.
        let fields = [self.entries, mode, 0, 0, 1, 0, content.len() as u32, 0, 0, major, minor, name_bytes, 0];
        self.bytes.extend(MAGIC.bytes());
        fields.iter().for_each(|field| self.bytes.extend(format!("{field:08X}").bytes()));
        self.bytes.extend(name.bytes().chain([0]));
        self.align();
        self.bytes.extend(content);
        self.align();
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGNMENT), 0);
    }

    fn finish(mut self) -> Vec<u8> {
        self.add("TRAILER!!!", 0, &[], [0; 2]);
        self.bytes
    }
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn an_entry_is_header_name_and_content_each_aligned() {
        let mut archive = Archive::default();
        archive.add("init", PROGRAM, b"hello", [0; 2]);
        assert_eq!(archive.bytes.len(), 116 + 8, "110 bytes of header and 5 of name, then 5 of content");
        assert_eq!(&archive.bytes[..14], b"07070100000001");
        assert_eq!(&archive.bytes[110..121], b"init\0\0hello");
    }
}
