//! The harness itself, tested with a guest of a few instructions: whatever goes wrong in a machine must be reported.

use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;
use tests::{Exit, Machine, Running};
use tools::artifacts;

/// Long enough for a loaded host to start QEMU, short enough to wait for in vain.
const SHORT: Duration = Duration::from_secs(3);

#[test]
fn a_machine_is_heard_and_hears() {
    let mut machine = booted();
    machine.send("1, 2, 3.");
    assert_eq!(machine.expect("3."), "1, 2, ");
    machine.send("q");
    machine.ends_with(Exit::Shutdown(42));
}

#[test]
fn silence_fails() {
    let mut machine = silent();
    let report = machine.try_expect("anything").unwrap_err().to_string();
    assert!(report.contains(r#""anything" did not come within 3s"#), "{report}");
    machine.power_off();
}

#[test]
fn a_guest_that_has_failed_is_not_waited_for() {
    // Words without the letters that the guest obeys.
    for (end, fails) in [("exited with code 0", false), ("exited with code 1", true), ("faulted", true)] {
        let mut machine = Machine::bare(guest()).conductor("one").boot();
        machine.expect("ready\n");
        machine.send(&format!("init: two: faulted\ninit: one: {end}\n"));
        if fails {
            let report = machine.try_expect("anything").unwrap_err().to_string();
            assert!(report.contains(r#""anything" did not come: the program one has failed"#), "{report}");
        } else {
            machine.send("anything");
            machine.expect("anything");
        }
        machine.power_off();
    }
}

#[test]
fn a_hang_at_the_end_fails() {
    let report = silent().try_end_with(Exit::Shutdown(0)).unwrap_err().to_string();
    assert!(report.contains("shut down with code 0, but it runs on after 3s"), "{report}");
}

#[test]
fn a_reset_fails() {
    let mut machine = booted();
    machine.send("r");
    let report = machine.try_expect("anything").unwrap_err().to_string();
    assert!(report.contains("did not come: the machine was reset or switched off without a code"), "{report}");
}

#[test]
fn a_panic_fails() {
    let mut machine = booted();
    machine.send("p");
    let report = machine.try_expect("anything").unwrap_err().to_string();
    assert!(report.contains("did not come: the kernel panicked"), "{report}");
}

#[test]
fn a_wrong_code_fails() {
    let mut machine = booted();
    machine.send("q");
    let report = machine.try_end_with(Exit::Shutdown(0)).unwrap_err().to_string();
    assert!(report.contains("shut down with code 0, but the system was shut down with code 42"), "{report}");
}

#[test]
fn a_report_shows_command_tail_and_log() {
    let mut machine = booted();
    machine.send("the end\nq");
    let report = machine.try_expect("anything").unwrap_err();
    let text = report.to_string();
    assert!(text.contains("command: qemu-system-x86_64 -M q35"), "{text}");
    assert!(text.contains("| the end"), "{text}");
    assert_eq!(std::fs::read_to_string(&report.log).unwrap(), "ready\nthe end\n");
}

#[test]
fn a_refusal_of_the_emulator_is_reported() {
    let mut machine = Machine::bare(guest()).arg("-no-such-option").boot();
    let report = machine.try_expect("ready").unwrap_err().to_string();
    assert!(
        report.contains("QEMU failed with status 1") && report.contains("-no-such-option: invalid option"),
        "{report}"
    );
}

#[test]
#[should_panic(expected = "run `make build` first")]
fn a_missing_artifact_says_what_to_do() {
    Machine::with("no-such-package").boot();
}

#[test]
#[should_panic(expected = "the test left its machine running")]
fn a_forgotten_machine_fails() {
    booted();
}

#[test]
fn no_emulator_is_left_behind() {
    let machine = booted();
    let process = Path::new("/proc").join(machine.emulator().to_string());
    assert!(process.exists());
    let panicked = std::thread::spawn(move || -> () { machine.fail("on purpose") }).join();
    assert!(panicked.is_err() && !process.exists());
}

#[test]
fn a_machine_is_controlled_from_outside() {
    let mut machine = booted();
    let mut qmp = machine.qmp();
    qmp.execute("stop", json!({})).unwrap();
    assert_eq!(qmp.execute("query-status", json!({})).unwrap()["status"], "paused");
    assert!(qmp.execute("no-such-command", json!({})).is_err());
    qmp.execute("cont", json!({})).unwrap();
    machine.send("again");
    machine.expect("again");
    machine.power_off();
}

fn booted() -> Running {
    let mut machine = Machine::bare(guest()).boot();
    machine.expect("ready\n");
    machine
}

/// A machine that says no more, and that nobody waits for very long.
fn silent() -> Running {
    let mut machine = Machine::bare(guest()).patience(SHORT).boot();
    machine.send("s");
    machine
}

/// The guest, assembled once.
fn guest() -> PathBuf {
    static GUEST: OnceLock<PathBuf> = OnceLock::new();
    GUEST.get_or_init(assemble).clone()
}

fn assemble() -> PathBuf {
    let source = artifacts::source().join("tests/harness/guest.s");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (object, guest) = (folder.join("guest.o"), folder.join("guest.elf"));
    run(Command::new("as").arg("--32").arg(source).arg("-o").arg(&object));
    run(Command::new("ld").args(["-m", "elf_i386", "-Ttext=0x100000", "-e", "start", "-o"]).arg(&guest).arg(&object));
    guest
}

fn run(command: &mut Command) {
    assert!(command.status().expect("binutils are installed").success(), "{command:?}");
}
