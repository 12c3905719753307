//! Ordinary Rust programs run, and what they were not granted is the natural error.

use tests::Machine;

#[test]
fn the_standard_library_works() {
    on(1);
}

#[test]
fn the_standard_library_works_on_four_processors() {
    on(4);
}

fn on(cpus: u32) {
    let mut machine = Machine::with("std").cpus(cpus).boot();
    machine.expect("std-check: complete");
    machine.expect("std-bare: exited with code 134");
    assert!(machine.said().contains("failed to generate random data"), "a hash map needs a random key");
    machine.completes();
}

#[test]
fn a_thousand_threads_live_at_the_same_time() {
    crowd(1);
}

#[test]
fn a_thousand_threads_live_at_the_same_time_on_four_processors() {
    crowd(4);
}

fn crowd(cpus: u32) {
    let mut machine = Machine::with("crowd").cpus(cpus).boot();
    machine.expect("std-check: all threads live");
    machine.expect("std-check: complete");
    machine.completes();
}
