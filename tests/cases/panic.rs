//! The kernel's last words.

use serde_json::json;
use tests::{Exit, Machine};

#[test]
fn a_non_maskable_interrupt_is_named() {
    let mut machine = Machine::new().cpus(2).boot();
    machine.expect("operator name: ");
    machine.qmp().execute("inject-nmi", json!({})).expect("QEMU injects it");
    machine.expect("kernel panic");
    machine.expect("non-maskable interrupt");
    machine.ends_with(Exit::Panic);
}
