//! A boot package that is not whole ends in one clear sentence and with a code of its own.

use crate::boot_paths::{artifact, disk};
use capos_abi::package::PackageHeader;
use std::path::PathBuf;
use tests::{Exit, Machine};
use tools::artifacts;
use tools::image::Contents;
use tools::package::{Entry, strip, write};
use tools::qemu::Medium;

/// The code with which init ends a machine that it cannot start.
const CANNOT_START: u8 = 100;
/// MiB of memory that hold what the system's programs may use, but not the kernel memory that this brings.
const LITTLE: u32 = 512;

#[test]
fn without_a_package() {
    refused(Machine::new().without_package(), "there is no boot package");
}

#[test]
fn a_package_of_noise() {
    refused(with_package("noise", |package| package[0] ^= 1), "is not a boot package");
}

#[test]
fn a_package_of_another_version() {
    refused(with_package("version", |package| package[8] += 1), "the boot package has version 2");
}

#[test]
fn a_truncated_package() {
    refused(with_package("truncated", |package| package.truncate(package.len() / 2)), "the boot package is truncated");
}

#[test]
fn a_package_cut_in_its_header() {
    refused(with_package("header", |package| package.truncate(20)), "is not a boot package");
}

#[test]
fn a_package_with_one_bit_turned() {
    let places = tests::choose(4, 500);
    for place in 0..places {
        let turn = |package: &mut Vec<u8>| {
            let (start, bytes) = (size_of::<PackageHeader>(), package.len() - size_of::<PackageHeader>());
            package[start + bytes / places * place] ^= 1 << (place % 8);
        };
        refused(with_package(&format!("bit-{place}"), turn), "its checksum does not match");
    }
}

#[test]
fn a_manifest_that_is_not_sound() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("manifest.package");
    std::fs::write(&path, without_manifest()).expect("the folder for temporary files is writable");
    refused_by_init(Machine::new().package(path));
}

/// What the compiler of the description believed of the machine is not true of this one.
#[test]
fn quotas_that_bring_more_kernel_memory_than_the_machine_has() {
    let mut machine = Machine::with("stress").memory(LITTLE).boot();
    machine.expect("init: the system cannot start: the quotas add up to ");
    machine.expect(" bytes of kernel memory, but the machine has ");
    machine.ends_with(Exit::Shutdown(CANNOT_START));
}

#[test]
fn a_manifest_that_is_not_sound_on_a_disk() {
    let contents = Contents::new(artifact(artifacts::loader()), artifact(artifacts::kernel()), without_manifest(), "");
    refused_by_init(Machine::firmware(disk("manifest", &contents), Medium::Disk));
}

/// A package whose manifest is noise.
fn without_manifest() -> Vec<u8> {
    let init = std::fs::read(artifacts::program("init")).expect("`make build` makes it");
    let manifest = Entry { name: "manifest".into(), content: vec![0xff; 64] };
    let init = Entry { name: "init".into(), content: strip(init).expect("init is a program") };
    write(&[manifest, init])
}

#[track_caller]
fn refused_by_init(machine: Machine) {
    let mut machine = machine.boot();
    machine.expect("init: the system cannot start: the manifest is not sound: ");
    machine.ends_with(Exit::Shutdown(CANNOT_START));
}

#[track_caller]
fn refused(machine: Machine, sentence: &str) {
    let mut machine = machine.boot();
    machine.expect("capOS cannot start: ");
    machine.expect(sentence);
    machine.ends_with(Exit::Refused);
}

/// The default machine with its package spoilt.
fn with_package(name: &str, spoil: impl FnOnce(&mut Vec<u8>)) -> Machine {
    let whole = artifacts::require(artifacts::package(artifacts::SYSTEM)).unwrap_or_else(|missing| panic!("{missing}"));
    let mut package = std::fs::read(whole).expect("the package is readable");
    spoil(&mut package);
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.package"));
    std::fs::write(&path, package).expect("the folder for temporary files is writable");
    Machine::new().package(path)
}
