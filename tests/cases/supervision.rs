//! A dead server is a normal event.

use tests::person::PROMPT;
use tests::{Exit, Machine, PASSWORD, Running};

#[test]
fn a_call_to_a_killed_service_ends_with_a_typed_error() {
    let mut machine = Machine::with("supervision").cpus(2).boot();
    machine.expect("typed error: ");
    machine.expect("sysinfo is back: ");
    machine.completes();
}

#[test]
fn a_session_survives_the_driver_of_its_serial_line() {
    let mut machine = Machine::new().cpus(2).boot();
    machine.enter();
    machine.shell("call @supervisor.kill name=uart", &["done"]);
    machine.shell("call @supervisor.list", &["was killed"]);
    machine.shut_down(0);
}

#[test]
fn a_killed_login_takes_its_sessions_along() {
    let mut machine = Machine::new().cpus(2).boot();
    machine.enter();
    let processes = processes(&mut machine);
    machine.shell("spawn hello stdout=@terminal clock=@clock", &["hello exited with code 0."]);
    machine.send("call @supervisor.kill name=login\n");
    machine.log_in("operator", PASSWORD);
    machine.expect(PROMPT);
    assert_eq!(self::processes(&mut machine), processes, "the old shell has ended");
    machine.shut_down(0);
}

#[test]
fn a_person_has_the_system_stopped_in_good_order() {
    let mut machine = Machine::new().cpus(2).boot();
    machine.enter();
    machine.shell("call @supervisor.list", &["login        running  0         -        true"]);
    machine.send("call @supervisor.shutdown code=7\n");
    machine.ends_with(Exit::Shutdown(7));
}

#[test]
fn everything_that_was_said_is_on_the_line_when_the_machine_ends() {
    let mut machine = Machine::new().cpus(2).boot();
    machine.enter();
    machine.send("help\nlog\nshutdown 7\n");
    let said = machine.ends_with(Exit::Shutdown(7));
    assert!(said.contains("capos> shutdown 7\nThe services stop, then the machine.\n"), "{said}");
}

/// How many processes there are, as the shell says.
fn processes(machine: &mut Running) -> String {
    machine.send("call @info.describe\n");
    machine.expect("processes = ");
    machine.expect(PROMPT).lines().next().unwrap_or_default().into()
}

#[test]
fn a_dead_terminal_ends_the_session_and_the_next_one_begins() {
    let mut machine = Machine::new().cpus(2).boot();
    machine.enter();
    machine.send("call @supervisor.kill name=console\n");
    machine.log_in("operator", PASSWORD);
    machine.expect(PROMPT);
    machine.shell("call @supervisor.list", &["was killed"]);
    machine.shut_down(0);
}
