//! The system comes up on machines that differ from the usual one in a single respect.

use tests::Machine;
use tools::boot_time::BootTime;

/// Instructions that the kernel's start may take.
const BOOT_BUDGET: u64 = 20_000_000;

/// What the console says when every service runs.
const READY: &str = "operator name: ";

fn comes_up(machine: Machine) {
    let mut machine = machine.boot();
    machine.expect(READY);
    machine.power_off();
}

#[test]
fn on_eight_processors() {
    comes_up(Machine::new().cpus(8));
}

#[test]
fn on_thirty_two_processors() {
    comes_up(Machine::new().cpus(32));
}

#[test]
fn with_sixty_four_mib() {
    comes_up(Machine::new().memory(64));
}

#[test]
fn with_two_hundred_and_fifty_six_mib() {
    comes_up(Machine::new().memory(256));
}

#[test]
fn with_four_gib() {
    comes_up(Machine::new().memory(4096));
}

#[test]
fn with_sixty_four_gib() {
    let memory = ["-object", "memory-backend-ram,id=memory,size=64G,reserve=off", "-machine", "memory-backend=memory"];
    comes_up(memory.into_iter().fold(Machine::new().memory(64 << 10), Machine::arg));
}

#[test]
fn on_processors_of_several_generations() {
    for model in ["Nehalem,+rdrand", "Haswell", "EPYC", "EPYC-Milan", "max,-xsave"] {
        comes_up(Machine::new().cpu(model));
    }
}

#[test]
fn on_a_pc_without_memory_mapped_configuration_space() {
    comes_up(Machine::new().kind("pc"));
}

/// As small hypervisors build them: no firmware to speak of, devices on the command line.
fn micro(acpi: &str) -> Machine {
    let kind = format!("microvm,acpi={acpi},isa-serial=on");
    Machine::new().kind(&kind).cpus(2).arg("-device").arg("virtio-serial-device")
}

#[test]
fn on_a_microvm_with_acpi() {
    let mut machine = micro("on").boot();
    machine.expect("boot: 2 of 2 processors run");
    machine.expect(READY);
    machine.power_off();
}

#[test]
fn on_a_microvm_with_tables_of_the_multiprocessor_specification() {
    let mut machine = micro("off").boot();
    machine.expect("boot: virtio device at 0x");
    machine.expect("boot: 2 of 2 processors run");
    machine.expect(READY);
    machine.power_off();
}

#[test]
fn every_clock_is_compared_with_the_others() {
    let machine = |kind: &str| {
        // Counted instructions are time that nothing disturbs.
        let mut machine = Machine::new().kind(kind).icount().boot();
        let before = machine.expect(READY);
        machine.power_off();
        before.lines().find_map(|line| Some(line.split_once("boot: clock: ")?.1.trim().to_owned()))
    };
    let steady = "the time-stamp counter is steady by the";
    let expected = [
        ("q35", format!("{steady} power management timer; the HPET agrees; the PIT agrees")),
        ("q35,hpet=off", format!("{steady} power management timer; the PIT agrees")),
        ("microvm,acpi=off,isa-serial=on", format!("{steady} PIT")),
    ];
    for (kind, says) in expected {
        assert_eq!(machine(kind), Some(says), "{kind}");
    }
}

/// With the violation `stamps` the second processor answers as if its time-stamp counter were ahead.
fn without_good_stamps(machine: Machine, says: &str) {
    let mut machine = machine.cpus(2).command_line("violate=stamps").boot();
    machine.expect("boot: clock: the time-stamp counter of processor 1 differs from that of processor 0");
    machine.expect(says);
    machine.expect("boot: 2 of 2 processors run");
    machine.completes();
}

#[test]
fn time_goes_on_by_the_high_precision_timer() {
    without_good_stamps(Machine::with("std"), "the HPET keeps time");
}

#[test]
fn time_goes_on_by_the_power_management_timer() {
    without_good_stamps(Machine::with("std").kind("q35,hpet=off"), "the power management timer keeps time");
}

#[test]
fn the_kernel_starts_within_its_budget_of_instructions() {
    let mut machine = Machine::new().icount().boot();
    machine.expect(READY);
    let measured = BootTime::read(&machine.said()).unwrap_or_else(|error| machine.fail(&error.to_string()));
    assert!(measured.total < BOOT_BUDGET, "{measured:?}");
    machine.power_off();
}
