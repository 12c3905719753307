//! Calls between processes: objects, promises, cancellation, deadlines, errors, moves, death.

use tests::Machine;

#[test]
fn calls_between_processes_on_one_cpu() {
    Machine::with("calls").cpus(1).boot().completes();
}

#[test]
fn calls_between_processes_on_four_cpus() {
    Machine::with("calls").cpus(4).boot().completes();
}
