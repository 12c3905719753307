//! Random numbers come from the processor or from the loader's seed; a machine with neither has none.

use crate::boot_paths::{contents, disk};
use tests::{Exit, Machine};
use tools::qemu::Medium;

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
