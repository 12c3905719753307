//! Random numbers come from the processor or from the loader's seed; a machine with neither has none.

use crate::boot_paths::{contents, disk};
use capos_abi::boot::{SEED_BYTES, SEED_NAME};
use tests::{Exit, Machine};
use tools::qemu::Medium;

/// A page in the middle of memory, which nothing is loaded to.
const SEED_ADDRESS: u64 = 256 << 20;
/// A processor without `rdrand` and `rdseed`.
const PROCESSOR: &str = "Nehalem";

#[test]
fn the_firmwares_source_suffices() {
    let machine = Machine::firmware(disk("entropy-rng", &contents()), Medium::Disk).cpu(PROCESSOR);
    let mut machine = machine.arg("-device").arg("virtio-rng-pci").boot();
    machine.enter();
    machine.shut_down(0);
}

#[test]
fn a_seed_among_the_modules_suffices_and_is_wiped() {
    let (seed, behind) = ([0xa5; SEED_BYTES], [0x5a; 16]);
    let mut machine = Machine::new().cpu(PROCESSOR).boot_after(|handover| {
        handover.add_module(SEED_NAME, &seed, SEED_ADDRESS);
        handover.write(SEED_ADDRESS + seed.len() as u64, &behind);
    });
    machine.enter();
    let memory = machine.memory(SEED_ADDRESS, seed.len() + behind.len());
    assert_eq!(memory, [&[0; SEED_BYTES][..], &behind].concat(), "the seed is wiped, and nothing else");
    machine.shut_down(0);
}

#[test]
fn without_a_source_of_entropy_the_system_does_not_start() {
    does_not_start(Machine::new().cpu(PROCESSOR));
}

#[test]
fn without_a_source_under_uefi_it_does_not_start_either() {
    does_not_start(Machine::firmware(disk("entropy-none", &contents()), Medium::Disk).cpu(PROCESSOR));
}

/// The services need random numbers; init, which cannot start them, says so.
#[track_caller]
fn does_not_start(machine: Machine) {
    let mut machine = machine.boot();
    machine.expect("capOS cannot go on: init has ended");
    machine.ends_with(Exit::Refused);
}
