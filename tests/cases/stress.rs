//! Communication under stress: many callers, and all that can happen to them and their servers, at random moments.

use std::time::Duration;
use tests::Machine;

/// How long a campaign of `make soak` may take.
const SOAK: Duration = Duration::from_secs(12 * 3600);

/// MiB: the kernel's heap, a share of it, holds the handle tables of the tree that is revoked.
const MEMORY: u32 = 2048;

#[test]
fn servers_and_callers_are_killed_under_load() {
    on(1, "deaths", 200, 10_000);
}

#[test]
fn servers_and_callers_are_killed_under_load_on_four_processors() {
    on(4, "deaths", 200, 10_000);
}

#[test]
fn forged_calls_show_who_calls() {
    on(1, "forgery", 10_000, 1_000_000);
}

#[test]
fn forged_calls_show_who_calls_on_four_processors() {
    on(4, "forgery", 10_000, 1_000_000);
}

#[test]
fn thousands_of_calls_are_served_in_order_and_in_turn() {
    on(1, "crowd", 1_000, 100_000);
}

#[test]
fn thousands_of_calls_are_served_in_order_and_in_turn_on_four_processors() {
    on(4, "crowd", 1_000, 100_000);
}

#[test]
fn chains_and_cycles_of_calls_come_to_their_end() {
    on(1, "chains", 20, 10_000);
}

#[test]
fn chains_and_cycles_of_calls_come_to_their_end_on_four_processors() {
    on(4, "chains", 20, 10_000);
}

#[test]
fn a_hundred_thousand_capabilities_are_revoked() {
    on(1, "revocation", 100_000, 100_000);
}

#[test]
fn a_hundred_thousand_capabilities_are_revoked_on_four_processors() {
    on(4, "revocation", 100_000, 100_000);
}

#[test]
fn thousands_of_copies_and_mappings_go_at_once() {
    on(1, "multitude", 5_000, 15_000);
}

#[test]
fn thousands_of_copies_and_mappings_go_at_once_on_four_processors() {
    on(4, "multitude", 5_000, 15_000);
}

#[test]
fn malformed_messages_get_answers_or_errors() {
    on(1, "malformed", 10_000, 1_000_000);
}

#[test]
fn malformed_messages_get_answers_or_errors_on_four_processors() {
    on(4, "malformed", 10_000, 1_000_000);
}

fn on(cpus: u32, campaign: &str, quick: u32, soak: u32) {
    let count = format!("count={}", tests::choose(quick, soak));
    let patience = tests::choose(tests::machine::patience(), SOAK);
    let machine = Machine::with_arguments("stress", &[campaign, &count, &tests::seed()]);
    machine.cpus(cpus).memory(MEMORY).patience(patience).boot().completes();
}
