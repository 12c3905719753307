//! How long interrupts are off: the longest stay in the kernel, in instructions, while programs do their worst.

use tests::Machine;
use tools::qemu::Exit;

/// Instructions that a stay in the kernel may take.
const LIMIT: u64 = 20_000;

/// The seed of the campaigns: they do the same in every run.
const SEED: &str = "seed=1";

#[test]
fn hostile_programs_keep_no_processor_in_the_kernel() {
    campaign("forgery", 20_000);
}

#[test]
fn attacks_on_rings_keep_no_processor_in_the_kernel() {
    campaign("ring", 3_000);
}

#[test]
fn short_programs_keep_no_processor_in_the_kernel() {
    campaign("cycles", 50);
}

#[test]
fn killed_programs_keep_no_processor_in_the_kernel() {
    campaign("kills", 100);
}

#[test]
fn short_threads_keep_no_processor_in_the_kernel() {
    campaign("threads", 100);
}

#[test]
fn programs_that_use_everything_up_keep_no_processor_in_the_kernel() {
    campaign("exhaustion", 1);
}

#[test]
fn a_thousand_threads_keep_no_processor_in_the_kernel() {
    check("crowd");
}

#[test]
fn the_ends_of_programs_keep_no_processor_in_the_kernel() {
    check("lifecycle");
}

#[test]
fn calls_keep_no_processor_in_the_kernel() {
    check("calls");
}

#[test]
fn the_standard_library_keeps_no_processor_in_the_kernel() {
    check("std");
}

#[test]
fn starting_programs_keeps_no_processor_in_the_kernel() {
    check("spawn");
}

#[test]
fn changing_memory_keeps_no_processor_in_the_kernel() {
    check("memory");
}

#[test]
fn thousands_of_copies_and_mappings_keep_no_processor_in_the_kernel() {
    measure("multitude", Machine::with_arguments("stress", &["multitude", "count=10000"]).memory(2048));
}

#[test]
fn maps_of_tens_of_thousands_of_ranges_keep_no_processor_in_the_kernel() {
    measure("maps", Machine::with("maps").memory(3 << 10));
}

/// A campaign of the guest `trials`, so many times.
#[track_caller]
fn campaign(name: &str, count: u64) {
    measure(name, Machine::with_arguments("trials", &[name, &format!("count={count}"), SEED]));
}

#[track_caller]
fn check(package: &str) {
    measure(package, Machine::with(package));
}

/// Ticks of the time-stamp counter are instructions here.
#[track_caller]
fn measure(what: &str, machine: Machine) {
    let said = machine.cpus(1).icount().command_line("trace").boot().ends_with(Exit::Shutdown(0));
    let (_, rest) = said.split_once("trace: processor 0 stayed ").expect("the longest stay is told at the end");
    let (ticks, cause) = rest.split_once(" ticks in the kernel at most, by ").expect("and its cause");
    let ticks: u64 = ticks.parse().expect("a number");
    println!("{what}: {ticks} instructions, by {}", cause.lines().next().unwrap_or_default());
    assert!(ticks < LIMIT, "{ticks} instructions, by {cause}");
    assert!(ticks > 0, "nothing was measured");
}
