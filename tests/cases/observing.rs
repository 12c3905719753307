//! What `make trace` and `make debug` stand on: the trace of a running machine, and gdb with the build's symbols.

use capos_abi::boot::KASLR_OFF;
use capos_abi::trace::{TraceEvent, kind};
use serde_json::json;
use tests::{Machine, Running};
use tools::{artifacts, trace};

/// What the console says when every service runs.
const READY: &str = "operator name: ";
/// Where programs' addresses end.
const PROGRAMS_END: u64 = 1 << 47;

#[test]
fn the_trace_tells_what_every_processor_did() {
    let mut machine = Machine::new().cpus(2).command_line("trace").boot();
    machine.expect(READY);
    let trace = stopped_trace(&machine);
    let [first, second] = &trace.processors[..] else { panic!("{} processors", trace.processors.len()) };
    for events in [first, second] {
        assert!(events.is_sorted_by_key(|event| event.stamp), "time goes forward");
        for kind in [kind::RUN, kind::ENTER, kind::IDLE, kind::INTERRUPT, kind::FAULT] {
            assert!(events.iter().any(|event| event.kind == kind), "no event of kind {kind} among {}", events.len());
        }
        let touched = |event: &&TraceEvent| event.kind == kind::FAULT;
        assert!(events.iter().filter(touched).all(|event| (1..PROGRAMS_END).contains(&event.data)));
    }
    let drawn = trace::timeline(&trace).to_string();
    for name in ["processor 1", "console", "idle", "page fault at 0x"] {
        assert!(drawn.contains(name), "{name} is not in the timeline");
    }
    machine.power_off();
}

#[track_caller]
fn stopped_trace(machine: &Running) -> trace::Trace {
    let stopped = machine.qmp().execute("stop", json!({}));
    stopped.unwrap_or_else(|error| machine.fail(&format!("it does not stop: {error}")));
    let read = trace::read(&artifacts::kernel(), |address, bytes| Ok(machine.memory(address, bytes as usize)));
    read.unwrap_or_else(|error| machine.fail(&format!("{error:#}")))
}

#[test]
fn gdb_stops_at_what_kernel_and_programs_call_by_name() {
    let machine = Machine::new().command_line(KASLR_OFF).arg("-S").boot();
    let steps = ["break start_init", "continue", "backtrace", "break read_program", "continue", "backtrace"];
    let said = machine.gdb("init", &steps);
    for words in [
        "start_init () at kernel/src/main.rs",
        "pvh_start () at kernel/src/boot/pvh.rs",
        "read_program () at init/src/",
    ] {
        assert!(said.contains(words), "{words:?} is missing:\n{said}");
    }
    machine.power_off();
}
