//! Campaigns: whatever programs do, and wherever they end, others are served meanwhile and nothing is missing afterwards.

use std::time::Duration;
use tests::Machine;

/// How long a campaign of `make soak` may take.
const SOAK: Duration = Duration::from_secs(12 * 3600);

#[test]
fn programs_start_and_exit() {
    on(1, "cycles", 1000, 100_000);
}

#[test]
fn programs_start_and_exit_on_four_processors() {
    on(4, "cycles", 1000, 100_000);
}

#[test]
fn programs_are_ended_at_random_instants() {
    on(1, "kills", 1000, 100_000);
}

#[test]
fn programs_are_ended_at_random_instants_on_four_processors() {
    on(4, "kills", 1000, 100_000);
}

#[test]
fn threads_start_and_end() {
    on(1, "threads", 1000, 100_000);
}

#[test]
fn threads_start_and_end_on_four_processors() {
    on(4, "threads", 1000, 100_000);
}

#[test]
fn rings_are_attacked() {
    on(1, "ring", 300_000, 3_000_000);
}

#[test]
fn rings_are_attacked_on_four_processors() {
    on(4, "ring", 1_000_000, 10_000_000);
}

#[test]
fn no_forged_handle_works() {
    on(1, "forgery", 100_000, 10_000_000);
}

#[test]
fn everything_is_used_up() {
    on(1, "exhaustion", 10, 1_000);
}

#[test]
fn everything_is_used_up_on_four_processors() {
    on(4, "exhaustion", 10, 1_000);
}

#[test]
fn maps_of_tens_of_thousands_of_ranges_change_and_end() {
    maps(1);
}

#[test]
fn maps_of_tens_of_thousands_of_ranges_change_and_end_on_four_processors() {
    maps(4);
}

fn maps(cpus: u32) {
    Machine::with("maps").memory(3 << 10).cpus(cpus).boot().completes();
}

fn on(cpus: u32, campaign: &str, quick: u64, soak: u64) {
    let count = format!("count={}", tests::choose(quick, soak));
    let patience = tests::choose(tests::machine::patience(), SOAK);
    let machine = Machine::with_arguments("trials", &[campaign, &count, &tests::seed()]);
    machine.cpus(cpus).patience(patience).boot().completes();
}
