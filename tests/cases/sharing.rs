//! Programs and threads that share memory and processors, and what they do not share.

use capos_abi::trace::TraceEvent;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use tests::page_tables::{Page, control_registers, pages};
use tests::{Machine, Running};
use tools::{artifacts, trace};

/// Programs that compute for ever.
const INSTANCES: usize = 2;
/// Processors of a machine on which nobody else does anything any more.
const PROCESSORS: u32 = 4;
/// What init says when all have started.
const STARTED: &str = "init: ready";
/// Long enough for many slices.
const WHILE: Duration = Duration::from_millis(500);

#[test]
fn vector_registers_are_kept_for_who_is_preempted_and_empty_for_who_was_not() {
    registers(Machine::with("registers"));
}

#[test]
fn vector_registers_are_kept_without_xsave() {
    registers(Machine::with("registers").cpu("max,-xsave"));
}

#[track_caller]
fn registers(machine: Machine) {
    let mut machine = machine.cpus(1).boot();
    machine.expect("registers: exited with code 0");
    machine.completes();
}

#[test]
fn programs_of_one_file_share_its_pages_and_no_others() {
    let machine = computing(Machine::with("instances"));
    let [first, second] = &spaces(&machine)[..] else { machine.fail("both programs run") };
    let (mut shared, mut own) = (0, 0);
    for (address, page) in first {
        let Some(other) = second.get(address) else { continue };
        assert_eq!(page.writable, other.writable, "{page:x?} and {other:x?}");
        match page.writable {
            true => assert_ne!(page.physical, other.physical, "{page:x?} is written by both"),
            false if page.executable => assert_eq!(page.physical, other.physical, "{page:x?} is there twice"),
            false => {}
        }
        (shared, own) = (shared + usize::from(page.executable), own + usize::from(page.writable));
    }
    assert!(shared > 0 && own > 0, "{shared} pages of code, {own} of data");
    machine.power_off();
}

#[test]
fn who_is_idle_or_computes_alone_is_interrupted_by_nothing() {
    let machine = computing(Machine::with("instances").command_line("trace"));
    let before = events(&machine);
    resume(&machine);
    std::thread::sleep(WHILE);
    stop(&machine);
    let after = events(&machine);
    for (processor, (before, after)) in before.iter().zip(&after).enumerate() {
        assert!(!after.is_empty());
        assert_eq!(before.last(), after.last(), "processor {processor}");
    }
    machine.power_off();
}

/// A machine that stands still while each instance has a processor for itself.
#[track_caller]
fn computing(machine: Machine) -> Running {
    let mut machine = machine.cpus(PROCESSORS).boot();
    machine.expect(STARTED);
    loop {
        std::thread::sleep(WHILE);
        stop(&machine);
        if spaces(&machine).len() == INSTANCES {
            return machine;
        }
        resume(&machine);
    }
}

/// The programs' pages of every processor that runs one.
#[track_caller]
fn spaces(machine: &Running) -> Vec<BTreeMap<u64, Page>> {
    let mut roots = control_registers(machine, 3);
    roots.sort_unstable();
    roots.dedup();
    let programs = |root: u64| {
        let pages = pages(machine, root).into_iter().filter(|page| page.user);
        pages.map(|page| (page.address, page)).collect::<BTreeMap<u64, Page>>()
    };
    roots.into_iter().map(programs).filter(|pages| !pages.is_empty()).collect()
}

/// What each processor did.
#[track_caller]
fn events(machine: &Running) -> Vec<Vec<TraceEvent>> {
    let read = trace::read(&artifacts::kernel(), |address, bytes| Ok(machine.memory(address, bytes as usize)));
    read.unwrap_or_else(|error| machine.fail(&format!("{error:#}"))).processors
}

#[track_caller]
fn stop(machine: &Running) {
    let stopped = machine.qmp().execute("stop", json!({}));
    stopped.unwrap_or_else(|error| machine.fail(&format!("it does not stop: {error}")));
}

#[track_caller]
fn resume(machine: &Running) {
    let resumed = machine.qmp().execute("cont", json!({}));
    resumed.unwrap_or_else(|error| machine.fail(&format!("it does not go on: {error}")));
}
