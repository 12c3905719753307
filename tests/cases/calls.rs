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

#[test]
fn a_program_that_faults_comes_back() {
    let mut machine = Machine::with("ping-pong").boot();
    machine.expect("pong: faulted");
    machine.expect("ball 4 comes back");
    machine.expect("the point of ball 6 is lost: kernel: the server died");
    machine.expect("12 balls came back, 2 points were lost");
    machine.completes();
}
