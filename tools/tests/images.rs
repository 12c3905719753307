//! What is in the images, read back by other means than it was written.

use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use tools::image::{self, Contents, Limine};

/// Bytes of a sector of a CD.
const SECTOR_BYTES: usize = 2048;
/// Where El Torito's record names the boot catalogue.
const CATALOGUE_POINTER: usize = 17 * SECTOR_BYTES + 71;

#[test]
fn the_partition_of_the_disk_holds_the_files() {
    let disk = image::disk(&own()).expect("a disk");
    assert_eq!(file(&disk, "EFI/BOOT/BOOTX64.EFI"), b"loader");
    assert_eq!(file(&disk, "capos/kernel"), b"kernel");
    assert_eq!(file(&disk, "capos/command-line"), b"answer=42\n");
    let checksums = String::from_utf8(file(&disk, "capos/checksums")).expect("a text");
    assert_eq!(checksums.lines().count(), 3);
    assert!(checksums.contains(&format!("{:08x}  kernel\n", crc32fast::hash(b"kernel"))), "{checksums}");
}

#[test]
fn the_iso_is_a_disk_with_the_same_partition() {
    let iso = image::iso(&own()).expect("an ISO");
    assert_eq!(file(&iso, "capos/package"), b"package");
    let catalogue = catalogue(&iso);
    assert_eq!(catalogue[1], 0xef, "the only entry is for UEFI");
    assert_eq!(word(&catalogue[40..]) * SECTOR_BYTES, partition(&iso).0, "CD and disk boot the same bytes");
}

#[test]
fn other_contents_have_another_identity() {
    let mut other = own();
    other.put("capos/kernel", b"Kernel".to_vec());
    let identity = |contents| *table(&image::disk(contents).expect("a disk")).guid();
    assert_ne!(identity(&own()), identity(&other));
}

#[test]
fn the_iso_of_a_stock_limine_boots_under_bios_too() {
    let limine = Limine::read(&binaries("limine-iso")).expect("the binaries are there");
    let contents = Contents::with_limine(limine, b"kernel".to_vec(), b"package".to_vec(), "answer=42");
    let iso = image::iso(&contents).expect("an ISO");
    let configuration = String::from_utf8(file(&iso, "limine.conf")).expect("a text");
    for line in
        ["protocol: limine", "path: boot():/capos/kernel", "module_path: boot():/capos/package", "cmdline: answer=42"]
    {
        assert!(configuration.contains(line), "{configuration}");
    }
    let catalogue = catalogue(&iso);
    assert_eq!((catalogue[1], catalogue[32]), (0, 0x88), "the first entry is for a BIOS");
    let boot_image = word(&catalogue[40..]);
    let information = &iso[boot_image * SECTOR_BYTES + 8..];
    assert_eq!(word(information), 16, "where the volume's descriptor is");
    assert_eq!(word(&information[4..]), boot_image, "where the boot image is");
    assert_eq!(word(&information[8..]), 4096, "its size");
    assert_eq!(
        word(&information[12..]),
        1008_u32.wrapping_mul(0x0101_0101) as usize,
        "the sum of its words behind the table"
    );
    assert_eq!((catalogue[64], catalogue[65]), (0x91, 0xef), "then a section for UEFI");
    assert_eq!(word(&catalogue[104..]) * SECTOR_BYTES, partition(&iso).0);
    assert!(find(&iso[..2 << 20], b"LIMINE.CONF;1").is_some() && find(&iso[..2 << 20], b"KERNEL;1").is_some());
}

#[test]
fn without_the_binaries_limine_is_refused() {
    let empty = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("no-limine");
    let error = Limine::read(&empty).err().expect("nothing is there").to_string();
    assert!(error.contains("BOOTX64.EFI"), "{error}");
}

fn own() -> Contents {
    Contents::new(b"loader".to_vec(), b"kernel".to_vec(), b"package".to_vec(), "answer=42")
}

/// A folder that looks like Limine's.
fn binaries(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).expect("the folder for temporary files is writable");
    for (name, byte) in [("BOOTX64.EFI", 2), ("limine-bios.sys", 3), ("limine-bios-cd.bin", 1_u8)] {
        std::fs::write(folder.join(name), vec![byte; 4096]).expect("the folder for temporary files is writable");
    }
    folder
}

fn table(disk: &[u8]) -> gpt::GptDisk<Cursor<Vec<u8>>> {
    gpt::GptConfig::new().open_from_device(Cursor::new(disk.to_vec())).expect("both partition tables are whole")
}

/// Start and end of the only partition.
fn partition(disk: &[u8]) -> (usize, usize) {
    let table = table(disk);
    let [partition] = table.partitions().values().collect::<Vec<_>>()[..] else { panic!("there is one partition") };
    assert_eq!(partition.part_type_guid, gpt::partition_types::EFI);
    (partition.first_lba as usize * 512, (partition.last_lba as usize + 1) * 512)
}

fn file(disk: &[u8], path: &str) -> Vec<u8> {
    let (start, end) = partition(disk);
    let mut volume = Cursor::new(disk[start..end].to_vec());
    let system = fatfs::FileSystem::new(&mut volume, fatfs::FsOptions::new()).expect("a file system");
    let mut content = Vec::new();
    let mut file = system.root_dir().open_file(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    file.read_to_end(&mut content).expect("the file is readable");
    content
}

fn catalogue(iso: &[u8]) -> &[u8] {
    assert_eq!(&iso[16 * SECTOR_BYTES + 1..][..5], b"CD001");
    let catalogue = &iso[word(&iso[CATALOGUE_POINTER..]) * SECTOR_BYTES..];
    let sum =
        catalogue[..32].chunks(2).fold(0_u16, |sum, word| sum.wrapping_add(u16::from_le_bytes([word[0], word[1]])));
    assert_eq!(sum, 0, "the catalogue's checksum");
    catalogue
}

fn word(bytes: &[u8]) -> usize {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
