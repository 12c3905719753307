//! Programs are suspended, answered for, ended and reclaimed by who holds their processes.

use tests::Machine;

#[test]
fn the_life_of_programs_on_one_processor() {
    Machine::with("lifecycle").cpus(1).boot().completes();
}

#[test]
fn the_life_of_programs_on_four_processors() {
    Machine::with("lifecycle").cpus(4).boot().completes();
}
