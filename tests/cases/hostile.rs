//! Programs that misbehave don't disturb the others.

use tests::Machine;

#[test]
fn hostile_programs_disturb_nobody() {
    on(1);
}

#[test]
fn hostile_programs_disturb_nobody_on_four_processors() {
    on(4);
}

fn on(cpus: u32) {
    let mut machine = Machine::with("hostile").cpus(cpus).boot();
    machine.expect("hostile-handles: exited with code 0");
    machine.expect("hostile-ring: ");
    machine.completes();
}
