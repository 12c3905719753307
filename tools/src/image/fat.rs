//! The file system of the EFI system partition: FAT32, with fixed dates and an identity that follows from its contents.

use super::{Contents, identity};
use anyhow::{Context, Result};
use fatfs::{Date, DateTime, FatType, FileSystem, FormatVolumeOptions, FsOptions, Time, TimeProvider};
use std::io::{Cursor, Write};

/// Bytes of a cluster.
const CLUSTER_BYTES: u32 = 512;
/// FAT32 has no fewer clusters than about this many bytes hold.
const MIN_BYTES: usize = 36 << 20;
/// Bytes left for folders and the tables themselves, beside a sixteenth of the files.
const SPARE_BYTES: usize = 2 << 20;
/// The size is a multiple of this.
const ALIGNMENT: usize = 1 << 20;
/// Name of the volume.
const LABEL: [u8; 11] = *b"CAPOS      ";

/// A file system with these contents.
pub fn build(contents: &Contents) -> Result<Vec<u8>> {
    let files: usize = contents.files().map(|(_, file)| file.len().next_multiple_of(CLUSTER_BYTES as usize)).sum();
    let bytes = (files + files / 16 + SPARE_BYTES).max(MIN_BYTES).next_multiple_of(ALIGNMENT);
    let mut volume = Cursor::new(vec![0; bytes]);
    let options = FormatVolumeOptions::new()
        .fat_type(FatType::Fat32)
        .bytes_per_cluster(CLUSTER_BYTES)
        .volume_id(volume_id(contents))
        .volume_label(LABEL);
    fatfs::format_volume(&mut volume, options).context("formatting the EFI system partition")?;
    let system = FileSystem::new(&mut volume, FsOptions::new().time_provider(&FIXED))?;
    for (path, content) in contents.files() {
        write(&system, path, content).with_context(|| format!("writing {path} into the image"))?;
    }
    system.unmount()?;
    Ok(volume.into_inner())
}

fn write(system: &FileSystem<&mut Cursor<Vec<u8>>>, path: &str, content: &[u8]) -> Result<()> {
    let mut folder = system.root_dir();
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    for part in folders.split('/').filter(|part| !part.is_empty()) {
        folder = folder.create_dir(part)?;
    }
    let mut file = folder.create_file(name)?;
    file.write_all(content)?;
    Ok(file.flush()?)
}

fn volume_id(contents: &Contents) -> u32 {
    let all: Vec<u8> = contents.files().flat_map(|(path, file)| [path.as_bytes(), file]).flatten().copied().collect();
    identity("file system", &all).as_fields().0
}

/// Every file is as old as the file system's calendar.
#[derive(Debug)]
struct Fixed;

static FIXED: Fixed = Fixed;

impl TimeProvider for Fixed {
    fn get_current_date(&self) -> Date {
        Date { year: 1980, month: 1, day: 1 }
    }

    fn get_current_date_time(&self) -> DateTime {
        DateTime { date: self.get_current_date(), time: Time { hour: 0, min: 0, sec: 0, millis: 0 } }
    }
}
