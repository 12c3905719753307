//! A dead server is a normal event.

use tests::Machine;

#[test]
fn a_call_to_a_killed_service_ends_with_a_typed_error() {
    let mut machine = Machine::with("supervision").cpus(2).boot();
    machine.expect("typed error: ");
    machine.expect("sysinfo is back: ");
    machine.completes();
}
