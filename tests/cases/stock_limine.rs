//! The same kernel file under a stock Limine. No package registry ships its binaries, so these tests exist only where `CAPOS_LIMINE`
//! names the folder of a release (`tests/build.rs`).

use crate::boot_paths::{artifact, disk, iso};
use crate::{kaslr, panic};
use capos_abi::PAGE_BYTES;
use tests::{Exit, Machine};
use tools::artifacts;
use tools::image::{Contents, Limine};
use tools::qemu::Medium;

fn contents() -> Contents {
    let folder = std::env::var_os("CAPOS_LIMINE").expect("it was there when this was built");
    let limine = Limine::read(folder.as_ref()).expect("CAPOS_LIMINE names the folder of a Limine release");
    let (kernel, package) = (artifact(artifacts::kernel()), artifact(artifacts::package(artifacts::SYSTEM)));
    Contents::with_limine(limine, kernel, package, "")
}

#[test]
fn under_uefi() {
    let contents = contents();
    to_the_prompt(Machine::firmware(disk("limine-uefi", &contents), Medium::Disk));
    to_the_prompt(Machine::firmware(iso("limine-uefi", &contents), Medium::Cd).cpus(2));
}

#[test]
fn under_bios() {
    let contents = contents();
    to_the_prompt(Machine::bios(iso("limine-bios", &contents), Medium::Cd));
    let disk = disk("limine-bios", &contents);
    let limine = contents.limine().expect("it is there");
    if limine.install_for_bios(&disk).expect("Limine's own tool works") {
        to_the_prompt(Machine::bios(disk, Medium::Disk).cpus(2));
    }
}

#[test]
fn a_seed_among_the_modules_suffices() {
    let mut contents = contents();
    let configuration = contents.get("limine.conf").expect("Limine needs it");
    let modules = [configuration, b"    module_path: boot():/capos/entropy-seed\n"].concat();
    contents.put("limine.conf", modules);
    contents.put("capos/entropy-seed", (0..64).collect());
    to_the_prompt(Machine::firmware(disk("limine-seed", &contents), Medium::Disk).cpu("Nehalem"));
}

#[test]
fn limine_too_chooses_the_kernels_address() {
    let image = disk("limine-kaslr", &contents());
    kaslr::varies(PAGE_BYTES, || {
        let mut machine = Machine::firmware(&image, Medium::Disk).boot();
        machine.expect("operator name: ");
        panic::inject_nmi(&machine);
        machine.ends_with(Exit::Panic)
    });
}

fn to_the_prompt(machine: Machine) {
    let mut machine = machine.boot();
    machine.enter();
    machine.shut_down(3);
}
