//! Ordinary Rust programs run.

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
    machine.completes();
}
