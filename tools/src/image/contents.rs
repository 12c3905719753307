//! What lies in the EFI system partition.

use super::Limine;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Where firmware looks for what it boots from a disk that it doesn't know.
pub const BOOT_FILE: &str = "EFI/BOOT/BOOTX64.EFI";
/// The kernel.
pub const KERNEL: &str = "capos/kernel";
/// The boot package.
pub const PACKAGE: &str = "capos/package";
/// The kernel's command line.
const COMMAND_LINE: &str = "capos/command-line";
/// CRC-32 and name of each file beside it.
const CHECKSUMS: &str = "capos/checksums";

/// Files by their paths, with `/` between folders.
#[derive(Clone, Default)]
pub struct Contents {
    files: BTreeMap<String, Vec<u8>>,
    limine: Option<Limine>,
}

impl Contents {
    /// A system that `loader`, the one in `boot/`, boots.
    pub fn new(loader: Vec<u8>, kernel: Vec<u8>, package: Vec<u8>, command_line: &str) -> Contents {
        let mut contents = Contents::default();
        contents.put(BOOT_FILE, loader);
        contents.put(KERNEL, kernel);
        contents.put(PACKAGE, package);
        contents.put(COMMAND_LINE, format!("{command_line}\n").into_bytes());
        contents.put(CHECKSUMS, contents.checksums().into_bytes());
        contents
    }

    /// A system that a stock Limine boots, under UEFI and BIOS.
    pub fn with_limine(limine: Limine, kernel: Vec<u8>, package: Vec<u8>, command_line: &str) -> Contents {
        let mut contents = Contents::default();
        for (path, file) in limine.files(command_line) {
            contents.put(&path, file);
        }
        contents.put(KERNEL, kernel);
        contents.put(PACKAGE, package);
        contents.limine = Some(limine);
        contents
    }

    /// Puts a file there, or another in its place; the checksums stay as they are.
    pub fn put(&mut self, path: &str, file: Vec<u8>) {
        self.files.insert(path.into(), file);
    }

    /// Takes a file away; the checksums stay as they are.
    pub fn remove(&mut self, path: &str) {
        self.files.remove(path);
    }

    /// The content of a file.
    pub fn get(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }

    /// Every file, in the order of the paths.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(path, file)| (path.as_str(), file.as_slice()))
    }

    /// The stock Limine, if one boots this.
    pub fn limine(&self) -> Option<&Limine> {
        self.limine.as_ref()
    }

    fn checksums(&self) -> String {
        let mut lines = String::new();
        for (path, file) in self.files().filter_map(|(path, file)| Some((path.strip_prefix("capos/")?, file))) {
            // Writing to a string never fails.
            let _ = writeln!(lines, "{:08x}  {path}", crc32fast::hash(file));
        }
        lines
    }
}
