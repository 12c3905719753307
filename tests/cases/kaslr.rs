//! The kernel's address: another one at every boot, unless nothing random is to be had or the command line asks for none.

use crate::boot_paths::{contents_with, disk};
use capos_abi::boot::SLIDE_STEP;
use std::collections::BTreeSet;
use tests::{Exit, Machine};
use tools::backtrace;
use tools::qemu::Medium;

/// The kernel runs into a wall and says where it lies.
const PANIC: &str = "violate=null";
/// Boots that are compared. That all of them draw one of a thousand addresses by chance does not happen.
const BOOTS: usize = 3;

#[test]
fn under_uefi_every_boot_has_another_address() {
    varies(SLIDE_STEP, || panics(firmware("random", PANIC)));
}

#[test]
fn by_pvh_every_boot_has_another_address() {
    varies(SLIDE_STEP, || panics(Machine::new().command_line(PANIC)));
}

#[test]
fn the_command_line_can_ask_for_the_linked_address() {
    let line = format!("{PANIC} kaslr=off");
    assert_eq!(slide(&panics(firmware("off", &line))), 0);
    assert_eq!(slide(&panics(Machine::new().command_line(&line))), 0);
}

#[test]
fn without_a_source_of_randomness_the_kernel_lies_where_it_is_linked() {
    assert_eq!(slide(&panics(Machine::new().command_line(PANIC).cpu("Nehalem"))), 0);
    let mut machine = firmware("none", "").cpu("Nehalem").boot();
    machine.expect("no source of random numbers: the kernel lies where it is linked");
    machine.expect("boot: the kernel lies where it is linked");
    machine.power_off();
}

#[test]
fn the_firmwares_source_serves_a_processor_without_one() {
    varies(SLIDE_STEP, || panics(firmware("rng", PANIC).cpu("Nehalem").arg("-device").arg("virtio-rng-pci")));
}

fn firmware(image: &str, command_line: &str) -> Machine {
    Machine::firmware(disk(&format!("kaslr-{image}"), &contents_with(command_line)), Medium::Disk)
}

/// Several boots of the same machine have several slides, each a multiple of `step`. `said` boots it and returns all that it said.
#[track_caller]
pub fn varies(step: u64, said: impl Fn() -> String) {
    let slides: BTreeSet<u64> = (0..BOOTS).map(|_| slide(&said())).collect();
    assert!(slides.len() > 1, "the same slide {BOOTS} times: {slides:x?}");
    assert!(slides.iter().all(|slide| slide.is_multiple_of(step)), "{slides:x?}");
}

/// What a kernel says that panics at once. It must be understood wherever that kernel lies.
#[track_caller]
fn panics(machine: Machine) -> String {
    let mut machine = machine.boot();
    machine.expect("kernel panic on processor 0: access to nothing");
    machine.expect("slide 0x");
    let said = machine.ends_with(Exit::Panic);
    let meaning = backtrace::explain(&said).expect("a panic has a backtrace");
    assert!(meaning.contains("kernel/src/violation.rs"), "the panic's place is named:\n{meaning}\n{said}");
    said
}

/// How far from its linked address the kernel lay.
fn slide(said: &str) -> u64 {
    let digits = said.split("slide 0x").nth(1).and_then(|rest| rest.split_whitespace().next());
    digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()).expect("a panic says the slide")
}
