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
