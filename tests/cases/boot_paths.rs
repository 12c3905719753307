//! The system boots from images by UEFI firmware as it does by PVH, and refuses what is damaged.

use elf::ElfBytes;
use elf::endian::LittleEndian;
use std::path::PathBuf;
use tests::{Exit, Machine, Running};
use tools::artifacts;
use tools::image::{self, Contents};
use tools::qemu::Medium;

/// Where a file's first page ends.
const PAGE_BYTES: usize = 4096;
const KERNEL: &str = "capos/kernel";
const PACKAGE: &str = "capos/package";
const CHECKSUMS: &str = "capos/checksums";

#[test]
fn uefi_from_a_disk() {
    a_session_on(Machine::firmware(disk("disk", &contents()), Medium::Disk).boot());
}

#[test]
fn uefi_from_a_usb_stick_on_two_processors() {
    a_session_on(Machine::firmware(disk("stick", &contents()), Medium::Usb).cpus(2).boot());
}

#[test]
fn uefi_from_a_cd() {
    a_session_on(Machine::firmware(iso("cd", &contents()), Medium::Cd).boot());
}

#[test]
fn uefi_from_the_iso_on_a_disk() {
    a_session_on(Machine::firmware(iso("iso-disk", &contents()), Medium::Disk).boot());
}

#[test]
fn uefi_from_the_iso_on_a_usb_stick() {
    a_session_on(Machine::firmware(iso("iso-stick", &contents()), Medium::Usb).boot());
}

#[test]
fn uefi_with_a_screen_and_memory_above_4_gib() {
    let machine = Machine::firmware(disk("screen", &contents()), Medium::Disk).memory(5120);
    a_session_on(machine.arg("-device").arg("VGA").boot());
}

#[test]
fn a_damaged_kernel_is_refused() {
    let turn = |kernel: &mut Vec<u8>| kernel[PAGE_BYTES] ^= 1;
    refused("kernel-bit", &[(KERNEL, &turn)], "the kernel is damaged");
}

#[test]
fn a_truncated_kernel_is_refused() {
    let cut = |kernel: &mut Vec<u8>| kernel.truncate(2 * PAGE_BYTES);
    refused("kernel-cut", &[(KERNEL, &cut), (CHECKSUMS, &Vec::clear)], "the kernel is");
}

#[test]
fn a_kernel_of_noise_is_refused() {
    let noise = |kernel: &mut Vec<u8>| kernel.fill(b'?');
    refused("kernel-noise", &[(KERNEL, &noise), (CHECKSUMS, &Vec::clear)], "the kernel is not an ELF file");
}

#[test]
fn a_kernel_with_a_foreign_relocation_is_refused() {
    let foreign = |kernel: &mut Vec<u8>| {
        let place = relocation_type(kernel);
        kernel[place] = 1;
    };
    refused(
        "kernel-relocation",
        &[(KERNEL, &foreign), (CHECKSUMS, &Vec::clear)],
        "the kernel has a relocation of type 1",
    );
}

/// Where the file holds the type of its first relocation.
fn relocation_type(kernel: &[u8]) -> usize {
    let file = ElfBytes::<LittleEndian>::minimal_parse(kernel).expect("the kernel is an ELF file");
    let relocations = file.section_header_by_name(".rela.dyn").expect("it has sections").expect("it can be moved");
    relocations.sh_offset as usize + size_of::<u64>()
}

#[test]
fn a_damaged_package_is_refused_by_the_loader() {
    let turn = |package: &mut Vec<u8>| package[PAGE_BYTES] ^= 1;
    refused("package-bit", &[(PACKAGE, &turn)], "the package is damaged");
}

#[test]
fn a_damaged_package_without_checksums_is_refused_by_the_kernel() {
    let turn = |package: &mut Vec<u8>| package[PAGE_BYTES] ^= 1;
    refused("package-late", &[(PACKAGE, &turn), (CHECKSUMS, &Vec::clear)], "its checksum does not match");
}

#[test]
fn a_missing_file_is_named() {
    for (path, name) in [(KERNEL, r"\capos\kernel"), (PACKAGE, r"\capos\package")] {
        let mut contents = contents();
        contents.remove(path);
        does_not_start("missing", &contents, &format!("there is no {name}"));
    }
}

#[test]
fn the_same_contents_give_the_same_images() {
    let (first, second) = (contents(), contents());
    assert!(image::disk(&first).expect("a disk") == image::disk(&second).expect("a disk"), "the disks differ");
    assert!(image::iso(&first).expect("an ISO") == image::iso(&second).expect("an ISO"), "the ISOs differ");
}

#[test]
fn pvh_takes_the_date_from_the_battery_backed_clock() {
    the_date_is_known(Machine::new().arg("-rtc").arg(DATE).boot());
}

#[test]
fn uefi_hands_the_date_over() {
    the_date_is_known(Machine::firmware(disk("date", &contents()), Medium::Disk).arg("-rtc").arg(DATE).boot());
}

/// QEMU's clock at the start: 2,000,000,000 seconds after the start of 1970.
const DATE: &str = "base=2033-05-18T03:33:20";

/// Boots take less than a thousand seconds, wherever.
fn the_date_is_known(mut machine: Running) {
    machine.enter();
    machine.shell("call @clock.date", &["nanoseconds = 2000000"]);
    machine.shut_down(0);
}

/// From the first prompt to an end with a code.
fn a_session_on(mut machine: Running) {
    machine.expect("capOS loader");
    machine.enter();
    machine.shut_down(3);
}

/// What is done to the files of an image.
type Damage<'a> = (&'a str, &'a dyn Fn(&mut Vec<u8>));

#[track_caller]
fn refused(name: &str, damages: &[Damage], sentence: &str) {
    let mut contents = contents();
    for (path, damage) in damages {
        let mut file = contents.get(path).expect("the file is in the image").to_vec();
        damage(&mut file);
        contents.put(path, file);
    }
    does_not_start(name, &contents, sentence);
}

#[track_caller]
fn does_not_start(name: &str, contents: &Contents, sentence: &str) {
    let mut machine = Machine::firmware(disk(name, contents), Medium::Disk).boot();
    machine.expect("capOS cannot start: ");
    machine.expect(sentence);
    machine.ends_with(Exit::Refused);
}

/// The system as `make image` packs it.
pub fn contents() -> Contents {
    contents_with("")
}

/// The system with a command line for the kernel.
pub fn contents_with(command_line: &str) -> Contents {
    let package = artifact(artifacts::package(artifacts::SYSTEM));
    Contents::new(artifact(artifacts::loader()), artifact(artifacts::kernel()), package, command_line)
}

pub fn artifact(path: PathBuf) -> Vec<u8> {
    let path = artifacts::require(path).unwrap_or_else(|missing| panic!("{missing}"));
    std::fs::read(path).expect("what was built is readable")
}

pub fn disk(name: &str, contents: &Contents) -> PathBuf {
    stored(format!("{name}.img"), image::disk(contents).expect("the contents fit"))
}

pub fn iso(name: &str, contents: &Contents) -> PathBuf {
    stored(format!("{name}.iso"), image::iso(contents).expect("the contents fit"))
}

fn stored(name: String, image: Vec<u8>) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, image).expect("the folder for temporary files is writable");
    path
}
