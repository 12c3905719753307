//! The power switch of machines that have no debug-exit device, as real ones have none.

use tests::{Exit, Machine, Running};

#[test]
fn a_shutdown_turns_a_q35_off() {
    turns_itself_off(Machine::new());
}

#[test]
fn a_shutdown_turns_a_pc_off() {
    turns_itself_off(Machine::new().kind("pc"));
}

#[test]
fn a_shutdown_turns_a_machine_with_hardware_reduced_acpi_off() {
    turns_itself_off(Machine::new().kind("microvm,acpi=on,isa-serial=on"));
}

#[test]
fn a_reboot_starts_the_system_anew() {
    let mut machine = Machine::new().without_debug_exit().boot();
    machine.enter();
    machine.send("call @system.reboot\n");
    machine.expect("is starting");
    machine.power_off();
}

fn turns_itself_off(machine: Machine) {
    let mut machine: Running = machine.without_debug_exit().boot();
    machine.enter();
    machine.send("shutdown 3\n");
    machine.ends_with(Exit::Off);
}
