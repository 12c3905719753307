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

/// Time is the count of instructions here, so that who got how much does not depend on the host.
#[test]
fn programs_share_a_processor_as_their_contexts_say() {
    Machine::with("scheduling").conductor("lifecycle").cpus(1).icount().boot().completes();
}
