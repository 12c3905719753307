//! Another machine calls capOS by an implementation of capnp-rpc that knows nothing of capOS.

use tests::Machine;

#[test]
fn python_calls_the_workshop_over_a_serial_line() {
    python_calls_the_workshop(1);
}

#[test]
fn python_calls_the_workshop_over_a_serial_line_on_four_processors() {
    python_calls_the_workshop(4);
}

fn python_calls_the_workshop(cpus: u32) {
    let mut machine = Machine::with("remote").cpus(cpus).second_line().boot();
    machine.expect("remote: the line is ready");
    machine.peer("workshop", "demo/workshop.capnp");
    machine.power_off();
}
