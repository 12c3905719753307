//! The files beside the loader, each checked against its checksum.

use crate::memory::{self, MODULE};
use crate::refusal::{Refusal, refusal};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use uefi::proto::media::file::{Directory, File, FileAttribute, FileInfo, FileMode, RegularFile};
use uefi::{CString16, Status, boot, println};

/// The folder that holds the files.
const FOLDER: &str = "\\capos";
/// Bytes of one of the files at most.
const MAX_BYTES: u64 = 1 << 30;

/// The folder with the files, and what their checksums must be.
pub struct Files {
    folder: Directory,
    checksums: String,
}

impl Files {
    /// Opens the folder on the file system that the loader came from.
    pub fn open() -> Result<Files, Refusal> {
        let mut system = boot::get_image_file_system(boot::image_handle())
            .map_err(|error| refusal!("the loader does not come from a file system: {}", error.status()))?;
        let mut root = system
            .open_volume()
            .map_err(|error| refusal!("the loader's file system cannot be read: {}", error.status()))?;
        let folder = root.open(&name(FOLDER)?, FileMode::Read, FileAttribute::empty());
        let folder = folder.ok().and_then(|folder| folder.into_directory());
        let mut files =
            Files { folder: folder.ok_or_else(|| refusal!("there is no folder {FOLDER}"))?, checksums: String::new() };
        match files.text("checksums")? {
            Some(checksums) => files.checksums = checksums,
            None => println!("no {FOLDER}\\checksums: the kernel is taken as it is"),
        }
        Ok(files)
    }

    /// The content of a file.
    pub fn read(&mut self, file: &str) -> Result<Vec<u8>, Refusal> {
        let (mut opened, bytes) = self.find(file)?.ok_or_else(|| missing(file))?;
        let mut content = vec![0; bytes as usize];
        fill(file, &mut opened, &mut content)?;
        self.check(file, &content)?;
        Ok(content)
    }

    /// The content of a file, in pages that the kernel gets as a module.
    pub fn load(&mut self, file: &str) -> Result<&'static [u8], Refusal> {
        let (mut opened, bytes) = self.find(file)?.ok_or_else(|| missing(file))?;
        let content = memory::pages(bytes, MODULE)?.get_mut(..bytes as usize).unwrap_or_default();
        fill(file, &mut opened, content)?;
        self.check(file, content)?;
        Ok(content)
    }

    /// The kernel's command line; empty if there is none.
    pub fn command_line(&mut self) -> Result<String, Refusal> {
        let text = self.text("command-line")?.unwrap_or_default();
        Ok(text.lines().next().unwrap_or_default().into())
    }

    fn text(&mut self, file: &str) -> Result<Option<String>, Refusal> {
        if self.find(file)?.is_none() {
            return Ok(None);
        }
        let text = String::from_utf8(self.read(file)?);
        text.map(Some).map_err(|_| refusal!("{FOLDER}\\{file} is not a text"))
    }

    /// The file and its size, if it is there.
    fn find(&mut self, file: &str) -> Result<Option<(RegularFile, u64)>, Refusal> {
        let opened = match self.folder.open(&name(file)?, FileMode::Read, FileAttribute::empty()) {
            Err(error) if error.status() == Status::NOT_FOUND => return Ok(None),
            opened => opened.ok().and_then(|opened| opened.into_regular_file()),
        };
        let mut opened = opened.ok_or_else(|| unreadable(file))?;
        let info = opened.get_boxed_info::<FileInfo>().map_err(|_| unreadable(file))?;
        if info.file_size() > MAX_BYTES {
            return Err(refusal!("{FOLDER}\\{file} is larger than {MAX_BYTES} bytes"));
        }
        Ok(Some((opened, info.file_size())))
    }

    /// Compares a file with its line in `checksums`: eight hexadecimal digits, two spaces, the name.
    fn check(&self, file: &str, content: &[u8]) -> Result<(), Refusal> {
        let line = self.checksums.lines().find(|line| line.get(10..) == Some(file));
        let wanted = line.and_then(|line| u32::from_str_radix(line.get(..8)?, 16).ok());
        let Some(wanted) = wanted else { return Ok(()) };
        let found = boot::calculate_crc32(content)
            .map_err(|error| refusal!("the firmware computes no checksum: {}", error.status()))?;
        if found != wanted {
            return Err(refusal!("the {file} is damaged: its checksum does not match"));
        }
        Ok(())
    }
}

fn fill(file: &str, opened: &mut RegularFile, content: &mut [u8]) -> Result<(), Refusal> {
    match opened.read(content) {
        Ok(read) if read == content.len() => Ok(()),
        _ => Err(unreadable(file)),
    }
}

fn name(path: &str) -> Result<CString16, Refusal> {
    CString16::try_from(path).map_err(|_| refusal!("{path} is not a name of a file"))
}

fn missing(file: &str) -> Refusal {
    refusal!("there is no {FOLDER}\\{file}")
}

fn unreadable(file: &str) -> Refusal {
    refusal!("{FOLDER}\\{file} cannot be read")
}
