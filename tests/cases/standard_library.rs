//! Ordinary Rust programs run.

use tests::Machine;

#[test]
fn the_standard_library_works() {
    Machine::with("std").boot().completes();
}

#[test]
fn the_standard_library_works_on_four_processors() {
    Machine::with("std").cpus(4).boot().completes();
}
