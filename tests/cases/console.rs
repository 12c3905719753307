//! A person at the serial console.

use tests::person::PROMPT;
use tests::{Machine, PASSWORD};

#[test]
fn a_person_uses_the_system() {
    a_session_on(1);
}

#[test]
fn a_person_uses_the_system_on_two_processors() {
    a_session_on(2);
}

#[test]
fn a_person_uses_the_system_on_four_processors() {
    a_session_on(4);
}

fn a_session_on(cpus: u32) {
    let mut machine = Machine::new().cpus(cpus).boot();
    machine.set_up("operator", PASSWORD);
    machine.log_in("operator", "not the password");
    machine.expect("Wrong name or password.");
    machine.log_in("operator", PASSWORD);
    machine.expect(PROMPT);
    machine.shell("caps", &["@info", "SystemInfo", "@clock", "Clock", "@system", "SystemControl"]);
    machine.shell("inspect @info", &["SystemInfo", "observe (seconds :UInt32 = 5) -> (samples :UInt32,"]);
    machine.shell("call @info.describe", &[&format!("processors = {cpus}\n")]);
    machine.shell("call @info.observe seconds=1", &["samples = 1\n"]);
    machine.shell("call @info.observe minutes=1", &["SystemInfo.observe has no field \"minutes\"", "seconds :UInt32"]);
    machine.shell("call @info.observe seconds=soon", &["field \"seconds\" takes a whole number from 0 to 4294967295"]);
    machine.send("logout\n");
    machine.log_in("operator", PASSWORD);
    machine.expect(PROMPT);
    machine.shut_down(7);
}

#[test]
fn a_spawned_program_holds_exactly_what_it_was_given() {
    let mut machine = Machine::new().cpus(2).boot();
    machine.enter();
    machine.shell("spawn hello stdout=@terminal clock=@clock", &["The clock says that", "hello exited with code 0."]);
    machine.shell("spawn hello stdout=@terminal", &["the slot \"clock\" was not granted", "hello exited with code 1."]);
    machine.shell("spawn hello stdout=@no-such-capability", &["there is no @no-such-capability"]);
    machine.shut_down(0);
}

#[test]
fn a_service_killed_in_the_middle_of_a_call_comes_back() {
    let mut machine = Machine::new().cpus(2).boot();
    machine.enter();
    machine.shell("call @info.observe seconds=3600 &", &["[1] started"]);
    machine.send("call @supervisor.kill name=sysinfo\n");
    machine.expect("error: the server is gone, says the kernel: the server died");
    machine.send("call @info.describe\n");
    machine.expect("processors = 2\n");
    machine.expect(PROMPT);
    machine.shut_down(0);
}
