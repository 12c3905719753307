//! Calls between processes: objects, promises, cancellation, deadlines, errors, moves, death.

use tests::running::TESTS_COMPLETE;
use tests::{Exit, Machine};

#[test]
fn calls_between_processes_on_one_cpu() {
    calls_between_processes(1);
}

#[test]
fn calls_between_processes_on_four_cpus() {
    calls_between_processes(4);
}

fn calls_between_processes(cpus: u32) {
    let mut machine = Machine::with("calls").cpus(cpus).boot();
    machine.expect(TESTS_COMPLETE);
    let said = machine.ends_with(Exit::Shutdown(0));
    // At its end the program has had the system stopped.
    let ends = ["calls: was killed", "crew: exited with code 0"];
    let places: Vec<_> = ends.iter().map(|end| said.rfind(end)).collect();
    assert!(places.is_sorted() && places[0].is_some(), "those that use others end first: {places:?}\n{said}");
}

#[test]
fn a_program_that_faults_comes_back() {
    ping_pong(1);
}

#[test]
fn a_program_that_faults_comes_back_on_four_processors() {
    ping_pong(4);
}

fn ping_pong(cpus: u32) {
    let mut machine = Machine::with("ping-pong").cpus(cpus).boot();
    machine.expect("pong: faulted");
    machine.expect("ball 4 comes back");
    machine.expect("the point of ball 6 is lost: kernel: the server died");
    machine.expect("12 balls came back, 2 points were lost");
    machine.completes();
}
