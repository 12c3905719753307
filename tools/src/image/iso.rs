//! A hybrid ISO: an ISO 9660 volume whose El Torito catalogue names the EFI system partition, and a partition table that
//! names the same bytes, so that the image boots as a CD and as a disk.
//!
//! For a stock Limine the files lie in the volume itself too, since under BIOS it reads them there.

use super::{Contents, disk};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;

/// Bytes of a sector.
const SECTOR_BYTES: usize = 2048;
/// The first sectors belong to the partition table.
const DESCRIPTOR_SECTOR: usize = 16;
/// Sectors in a fixed place: three descriptors, two path tables, the boot catalogue.
const PATH_TABLE_SECTOR: usize = DESCRIPTOR_SECTOR + 3;
const CATALOGUE_SECTOR: usize = PATH_TABLE_SECTOR + 2;
const FIRST_FREE_SECTOR: usize = CATALOGUE_SECTOR + 1;
/// Blocks of 512 bytes in a sector.
const SECTOR_BLOCKS: usize = SECTOR_BYTES / disk::BLOCK_BYTES;
/// Platforms of the boot catalogue.
const PLATFORM_BIOS: u8 = 0;
const PLATFORM_EFI: u8 = 0xef;
/// Blocks that a BIOS loads of its boot image.
const BIOS_BLOCKS: u16 = 4;
/// Where a BIOS boot image wants to know the volume: address of the volume's descriptor, its own, its size, its checksum.
const BOOT_INFORMATION: usize = 8;
const BOOT_INFORMATION_END: usize = 64;
/// 1980-01-01, the age of every file.
const DATE: [u8; 7] = [80, 1, 1, 0, 0, 0, 0];
/// Bytes of an entry of a folder, without its name.
const ENTRY_BYTES: usize = 33;
/// Parts of a path in the volume at most: a folder and a name.
const MAX_DEPTH: usize = 2;
/// The entry is a folder.
const FOLDER_FLAG: u8 = 2;

/// An image with `system` as EFI system partition.
pub fn build(system: &[u8], contents: &Contents) -> Result<Vec<u8>> {
    let mut image = Image { bytes: vec![0; FIRST_FREE_SECTOR * SECTOR_BYTES] };
    let bios = contents.limine().and_then(|limine| limine.bios_cd());
    let mut files: BTreeMap<&str, Extent> = BTreeMap::new();
    if contents.limine().is_some() {
        // What lies deeper is the firmware's, which looks for it in the partition.
        for (path, file) in contents.files().filter(|(path, _)| path.split('/').count() <= MAX_DEPTH) {
            files.insert(path, image.append(file));
        }
    }
    let bios = bios.map(|bios| image.append(bios));
    if let Some(extent) = bios {
        image.tell_boot_image(extent)?;
    }
    let folders = Folders::of(&files);
    let root = image.append_folders(&folders, &files)?;
    // Last, so that firmware which takes the rest of the CD for the boot image is right.
    let partition = image.append(system);
    image.write(CATALOGUE_SECTOR, &catalogue(bios, partition));
    let path_table_bytes = image.write_path_tables(&folders, &root)?;
    image.bytes.resize(image.bytes.len() + disk::TABLE_BYTES, 0);
    image.write_descriptors(root.first().copied().context("a volume has a root")?, path_table_bytes);
    disk::partition(image.bytes, partition.sector * SECTOR_BYTES, partition.bytes)
}

/// A run of sectors.
#[derive(Clone, Copy)]
struct Extent {
    sector: usize,
    bytes: usize,
}

/// The folders of the volume: the root, then each folder in it, with the paths of the files in them.
struct Folders<'a> {
    list: Vec<(&'a str, Vec<&'a str>)>,
}

impl<'a> Folders<'a> {
    fn of(files: &BTreeMap<&'a str, Extent>) -> Folders<'a> {
        let mut folders: BTreeMap<&str, Vec<&str>> = BTreeMap::from([("", Vec::new())]);
        for path in files.keys() {
            let (folder, _) = path.rsplit_once('/').unwrap_or(("", path));
            folders.entry(folder).or_default().push(path);
        }
        Folders { list: folders.into_iter().collect() }
    }
}

struct Image {
    bytes: Vec<u8>,
}

impl Image {
    fn append(&mut self, content: &[u8]) -> Extent {
        let extent = Extent { sector: self.bytes.len() / SECTOR_BYTES, bytes: content.len() };
        self.bytes.extend_from_slice(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(SECTOR_BYTES), 0);
        extent
    }

    fn write(&mut self, sector: usize, content: &[u8]) {
        let start = sector * SECTOR_BYTES;
        self.bytes[start..start + content.len()].copy_from_slice(content);
    }

    /// The extent of each folder, in the order of `folders`. A folder takes one sector.
    fn append_folders(&mut self, folders: &Folders, files: &BTreeMap<&str, Extent>) -> Result<Vec<Extent>> {
        let first = self.bytes.len() / SECTOR_BYTES;
        let extents: Vec<Extent> =
            (0..folders.list.len()).map(|index| Extent { sector: first + index, bytes: SECTOR_BYTES }).collect();
        for (index, (_, paths)) in folders.list.iter().enumerate() {
            let mut entries = vec![entry(&[0], extents[index], FOLDER_FLAG), entry(&[1], extents[0], FOLDER_FLAG)];
            let inner = folders.list.iter().zip(&extents).skip(1).filter(|_| index == 0);
            let inner = inner.map(|((name, _), extent)| (identifier(name), *extent, FOLDER_FLAG));
            let paths = paths.iter().map(|path| {
                let name = path.rsplit_once('/').map_or(*path, |(_, name)| name);
                (identifier(name) + ";1", files[path], 0)
            });
            let mut named: Vec<_> = inner.chain(paths).collect();
            named.sort_by(|one, other| one.0.cmp(&other.0));
            entries.extend(named.iter().map(|(name, extent, flags)| entry(name.as_bytes(), *extent, *flags)));
            let folder = entries.concat();
            ensure!(folder.len() <= SECTOR_BYTES, "a folder of the volume holds too many files");
            self.append(&folder);
        }
        Ok(extents)
    }

    /// The table of folders, once in each byte order. Bytes of one.
    fn write_path_tables(&mut self, folders: &Folders, extents: &[Extent]) -> Result<usize> {
        let mut tables = [Vec::new(), Vec::new()];
        for ((name, _), extent) in folders.list.iter().zip(extents) {
            let name = if name.is_empty() { "\0".into() } else { identifier(name) };
            let (sector, parent) = (extent.sector as u32, 1_u16);
            for (table, (sector, parent)) in tables
                .iter_mut()
                .zip([(sector.to_le_bytes(), parent.to_le_bytes()), (sector.to_be_bytes(), parent.to_be_bytes())])
            {
                table.extend([name.len() as u8, 0]);
                table.extend(sector);
                table.extend(parent);
                table.extend(name.as_bytes());
                table.resize(table.len().next_multiple_of(2), 0);
            }
        }
        let bytes = tables[0].len();
        ensure!(bytes <= SECTOR_BYTES, "the volume has too many folders");
        for (index, table) in tables.iter().enumerate() {
            self.write(PATH_TABLE_SECTOR + index, table);
        }
        Ok(bytes)
    }

    /// Volume, boot record, end.
    fn write_descriptors(&mut self, root: Extent, path_table_bytes: usize) {
        let sectors = self.bytes.len() / SECTOR_BYTES;
        self.write(DESCRIPTOR_SECTOR, &volume_descriptor(sectors, root, path_table_bytes));
        let mut record = descriptor(0);
        record[7..30].copy_from_slice(b"EL TORITO SPECIFICATION");
        record[71..75].copy_from_slice(&(CATALOGUE_SECTOR as u32).to_le_bytes());
        self.write(DESCRIPTOR_SECTOR + 1, &record);
        self.write(DESCRIPTOR_SECTOR + 2, &descriptor(255));
    }

    /// Writes into a BIOS boot image where it lies.
    fn tell_boot_image(&mut self, extent: Extent) -> Result<()> {
        let start = extent.sector * SECTOR_BYTES;
        let image = self.bytes.get_mut(start..start + extent.bytes).context("a boot image lies in the volume")?;
        ensure!(image.len() > BOOT_INFORMATION_END, "limine-bios-cd.bin is too small");
        let words = image[BOOT_INFORMATION_END..]
            .chunks(4)
            .map(|word| word.iter().rev().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte)));
        let checksum = words.fold(0_u32, u32::wrapping_add);
        let information = [DESCRIPTOR_SECTOR as u32, extent.sector as u32, extent.bytes as u32, checksum];
        image[BOOT_INFORMATION..BOOT_INFORMATION_END].fill(0);
        for (place, word) in image[BOOT_INFORMATION..].chunks_mut(4).zip(information) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        Ok(())
    }
}

/// A name as a volume of level 2 has it.
fn identifier(name: &str) -> String {
    name.to_ascii_uppercase()
}

/// An entry of a folder.
fn entry(name: &[u8], extent: Extent, flags: u8) -> Vec<u8> {
    let bytes = (ENTRY_BYTES + name.len()).next_multiple_of(2);
    let mut entry = vec![bytes as u8, 0];
    entry.extend(both_orders(extent.sector as u32));
    entry.extend(both_orders(extent.bytes as u32));
    entry.extend(DATE);
    entry.extend([flags, 0, 0, 1, 0, 0, 1, name.len() as u8]);
    entry.extend(name);
    entry.resize(bytes, 0);
    entry
}

/// A descriptor of this kind without content.
fn descriptor(kind: u8) -> Vec<u8> {
    let mut descriptor = vec![0; SECTOR_BYTES];
    descriptor[..7].copy_from_slice(&[kind, b'C', b'D', b'0', b'0', b'1', 1]);
    descriptor
}

fn volume_descriptor(sectors: usize, root: Extent, path_table_bytes: usize) -> Vec<u8> {
    let mut volume = descriptor(1);
    let mut put = |at: usize, content: &[u8]| volume[at..at + content.len()].copy_from_slice(content);
    put(8, &[b' '; 64]);
    put(40, b"CAPOS");
    put(80, &both_orders(sectors as u32));
    put(120, &[1, 0, 0, 1, 1, 0, 0, 1]);
    put(128, &[0, 8, 8, 0]);
    put(132, &both_orders(path_table_bytes as u32));
    put(140, &(PATH_TABLE_SECTOR as u32).to_le_bytes());
    put(148, &(PATH_TABLE_SECTOR as u32 + 1).to_be_bytes());
    put(156, &entry(&[0], root, FOLDER_FLAG));
    put(190, &[b' '; 623]);
    for date in 0..4 {
        put(813 + date * 17, b"0000000000000000\0");
    }
    put(881, &[1]);
    volume
}

/// The boot catalogue: BIOS first, if there is something for it.
fn catalogue(bios: Option<Extent>, partition: Extent) -> Vec<u8> {
    let mut catalogue = validation(if bios.is_some() { PLATFORM_BIOS } else { PLATFORM_EFI });
    if let Some(bios) = bios {
        catalogue.extend(boot_entry(bios, BIOS_BLOCKS));
        let mut section = [0; 32];
        section[..4].copy_from_slice(&[0x91, PLATFORM_EFI, 1, 0]);
        catalogue.extend(section);
    }
    // 0: as far as the CD goes.
    let blocks = partition.bytes.div_ceil(SECTOR_BYTES) * SECTOR_BLOCKS;
    catalogue.extend(boot_entry(partition, u16::try_from(blocks).unwrap_or(0)));
    catalogue
}

/// The first entry of the catalogue: its words add up to 0.
fn validation(platform: u8) -> Vec<u8> {
    let mut entry = vec![0; 32];
    entry[..2].copy_from_slice(&[1, platform]);
    entry[30..].copy_from_slice(&[0x55, 0xaa]);
    let sum = entry.chunks(2).fold(0_u16, |sum, word| sum.wrapping_add(u16::from_le_bytes([word[0], word[1]])));
    entry[28..30].copy_from_slice(&sum.wrapping_neg().to_le_bytes());
    entry
}

/// An image that is booted without emulating a floppy.
fn boot_entry(extent: Extent, blocks: u16) -> [u8; 32] {
    let mut entry = [0; 32];
    entry[0] = 0x88;
    entry[6..8].copy_from_slice(&blocks.to_le_bytes());
    entry[8..12].copy_from_slice(&(extent.sector as u32).to_le_bytes());
    entry
}

/// A number, low byte first, then high byte first.
fn both_orders(number: u32) -> [u8; 8] {
    let mut both = [0; 8];
    both[..4].copy_from_slice(&number.to_le_bytes());
    both[4..].copy_from_slice(&number.to_be_bytes());
    both
}
