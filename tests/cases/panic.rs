//! The kernel's last words: what it did wrong or what befell it, by name, where a person sees it.

use crate::boot_paths::{contents_with, disk};
use serde_json::json;
use tests::{Exit, Machine, Running, screen};
use tools::backtrace;
use tools::qemu::Medium;

/// What the console says when every service runs.
const READY: &str = "operator name: ";
/// What a panic says last, whatever happened.
const LAST: &str = "callers may be:";

#[test]
fn a_non_maskable_interrupt_is_named() {
    let mut machine = Machine::new().cpus(2).boot();
    machine.expect(READY);
    // So that it comes while the kernel idles: where a program runs the kernel has no callers.
    machine.stands_still();
    inject_nmi(&machine);
    machine.expect("kernel panic");
    machine.expect("non-maskable interrupt");
    let said = machine.ends_with(Exit::Panic);
    let meaning = backtrace::explain(&said).expect("a panic has a backtrace");
    assert!(meaning.contains(" at kernel/"), "files of the kernel are named:\n{meaning}");
}

#[test]
fn a_machine_check_is_reported() {
    let mut machine = Machine::new().boot();
    machine.expect(READY);
    let uncorrected = "mce 0 1 0xbe00000000000000 0x5 0x12345000 0x8c";
    // As above: there may be no answer.
    let _ = machine.qmp().monitor(uncorrected);
    machine.expect("kernel panic on processor 0: machine check: status 0x5");
    machine.expect("bank 1 status 0xbe00000000000000 address 0x12345000 detail 0x8c");
    machine.ends_with(Exit::Panic);
}

#[test]
fn a_panic_stops_every_processor_and_tells_its_last_events() {
    let mut machine = Machine::new().cpus(4).command_line("trace").without_debug_exit().boot();
    machine.expect(READY);
    inject_nmi(&machine);
    machine.expect("kernel panic");
    machine.expect("the last events");
    machine.expect("thread");
    machine.stands_still();
    machine.power_off();
}

#[test]
fn a_panic_shows_on_the_screen() {
    let mut machine = with_a_screen("");
    machine.expect(READY);
    inject_nmi(&machine);
    shows(machine, "kernel panic on processor 0: non-maskable interrupt");
}

#[test]
fn a_panic_with_more_words_than_the_screen_has_room_for_shows_its_end() {
    shows(with_a_screen("violate=words"), "this panic was asked for");
}

/// A machine that keeps its last words on the screen.
fn with_a_screen(command_line: &str) -> Running {
    let image = disk(&format!("screen-{command_line}"), &contents_with(command_line));
    Machine::firmware(image, Medium::Disk).without_debug_exit().arg("-device").arg("VGA").boot()
}

/// The machine panics; when it has ended with that, its screen shows `reason`, and what every panic says last.
#[track_caller]
fn shows(mut machine: Running, reason: &str) {
    machine.expect(LAST);
    machine.stands_still();
    let shown = screen::read(&machine);
    for words in [reason, LAST] {
        assert!(shown.contains(words), "{words:?} is missing:\n{shown}");
    }
    machine.power_off();
}

#[test]
fn the_kernel_does_not_execute_data() {
    caught("data", "execution of data (NX)");
}

#[test]
fn the_kernel_does_not_write_its_text() {
    caught("text", "write to what is read-only (W^X)");
}

#[test]
fn the_kernel_does_not_write_its_text_through_the_direct_map() {
    caught("alias", "write to what is read-only (W^X)");
}

#[test]
fn the_kernel_does_not_read_or_write_a_programs_page() {
    caught("smap", "access to a program's page (SMAP)");
}

#[test]
fn the_kernel_does_not_execute_a_programs_page() {
    caught("smep", "execution of a program's page (SMEP)");
}

#[test]
fn nothing_lies_at_address_zero() {
    caught("null", "access to nothing");
}

#[test]
fn a_stack_overflow_is_named() {
    caught("stack", "stack overflow");
}

#[test]
fn an_unknown_violation_is_refused() {
    let mut machine = Machine::new().command_line("violate=law").boot();
    machine.expect("capOS cannot start: there is no violation law");
    machine.ends_with(Exit::Refused);
}

/// The kernel does this wrong on purpose and ends with its name.
#[track_caller]
fn caught(violation: &str, name: &str) {
    let mut machine = Machine::new().command_line(&format!("violate={violation}")).boot();
    machine.expect("kernel panic on processor 0: ");
    machine.expect(name);
    machine.expect(LAST);
    machine.ends_with(Exit::Panic);
}

/// The machine may end before QEMU answers: what it says tells whether it came.
#[track_caller]
pub fn inject_nmi(machine: &Running) {
    let _ = machine.qmp().execute("inject-nmi", json!({}));
}
