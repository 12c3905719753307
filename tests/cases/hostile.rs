//! Programs that misbehave don't disturb the others.

use std::time::Duration;
use tests::Machine;

/// How long ten million attempts may take.
const SOAK: Duration = Duration::from_secs(4 * 3600);

#[test]
fn hostile_programs_disturb_nobody() {
    on(1);
}

#[test]
fn hostile_programs_disturb_nobody_on_four_processors() {
    on(4);
}

fn on(cpus: u32) {
    let manifest = tests::choose("hostile", "hostile-soak");
    let patience = tests::choose(tests::machine::patience(), SOAK);
    let mut machine = Machine::with(manifest).cpus(cpus).patience(patience).boot();
    machine.expect("hostile-handles: exited with code 0");
    machine.expect("hostile-ring: ");
    machine.completes();
}
