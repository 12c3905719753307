//! Processes that hand each other capabilities, call each other and act in sessions, by generated clients and servers.

use tests::Machine;

#[test]
fn processes_hand_over_capabilities_and_end_as_they_may() {
    Machine::with("dialogue").boot().completes();
}

#[test]
fn processes_hand_over_capabilities_and_end_as_they_may_on_four_processors() {
    Machine::with("dialogue").cpus(4).boot().completes();
}
