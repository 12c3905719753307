//! Another machine calls capOS by an implementation of capnp-rpc that knows nothing of capOS.

use tests::Machine;

#[test]
fn python_calls_the_workshop_over_a_serial_line() {
    let mut machine = Machine::with("remote").cpus(2).second_line().boot();
    machine.expect("remote: the line is ready");
    machine.peer("workshop", "demo/workshop.capnp");
    machine.power_off();
}
