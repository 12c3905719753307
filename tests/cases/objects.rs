//! Every method of every kernel object does what its schema says, as a program sees it, and every status of the ring comes where it must.
//!
//! `tests/guests/objects` has the checks; `make check-objects` keeps them complete.

use tests::{Exit, Machine};

/// Chipset machines keep the date in a clock that this one lacks.
const WITHOUT_DATE: &str = "microvm,acpi=on,isa-serial=on,rtc=off";

#[test]
fn every_method_and_every_status() {
    Machine::with("objects").cpus(1).boot().completes();
}

#[test]
fn every_method_and_every_status_on_four_processors() {
    Machine::with("objects").cpus(4).boot().completes();
}

#[test]
fn a_shutdown_ends_the_machine_with_its_code() {
    alone("SystemControl.shutdown").boot().ends_with(Exit::Shutdown(7));
}

#[test]
fn a_reboot_resets_the_machine() {
    let mut machine = alone("SystemControl.reboot").without_debug_exit().boot();
    machine.expect("is starting");
    machine.expect("is starting");
    machine.power_off();
}

#[test]
fn what_the_machine_has_no_source_for_is_unavailable() {
    alone("UNAVAILABLE").kind(WITHOUT_DATE).boot().completes();
}

/// The machine on which one check is made.
fn alone(check: &str) -> Machine {
    Machine::with_arguments("objects", &[check])
}
