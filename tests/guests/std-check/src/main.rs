//! Uses what Rust's std offers and prints a line for each thing that works, then `std-check: complete`.
//!
//! Granted: `clock`, `entropy`, and `log` or `stdout`. Arguments: `one` and `two`; or `crowd`, for what needs many threads.
extern crate capos_rt;

mod crowd;
mod missing;
mod reuse;
mod synchronise;
mod values;

/// A check: its name and what it does. It panics where something is wrong.
type Check = (&'static str, fn());

const CHECKS: &[Check] = &[
    ("arguments", values::arguments),
    ("collections", values::collections),
    ("strings", values::strings),
    ("floats", values::floats),
    ("large allocations", values::large_allocations),
    ("hash map", values::hash_map),
    ("threads", synchronise::threads),
    ("many threads", synchronise::many_threads),
    ("scoped threads", synchronise::scoped_threads),
    ("mutex", synchronise::mutex),
    ("condition variable", synchronise::condition_variable),
    ("read-write lock", synchronise::read_write_lock),
    ("channel", synchronise::channel),
    ("park", synchronise::park),
    ("barrier and once", synchronise::barrier_and_once),
    ("thread-local destructors", synchronise::thread_local_destructors),
    ("heap under threads", synchronise::heap_under_threads),
    ("threads used again", reuse::threads_are_as_new),
    ("kept threads give way to memory", reuse::kept_threads_give_way_to_memory),
    ("kept threads give way to threads", reuse::kept_threads_give_way_to_threads),
    ("instant and sleep", synchronise::instant_and_sleep),
    ("time-outs", synchronise::time_outs),
    ("date", values::date),
    ("no environment", missing::environment),
    ("no files", missing::files),
    ("no network", missing::network),
    ("no child processes", missing::child_processes),
];

/// What needs more threads than the others may have.
const CROWDED: &[Check] = &[("a thousand threads", crowd::a_thousand_threads)];

fn main() {
    let crowded = std::env::args().nth(1).as_deref() == Some("crowd");
    for (name, check) in if crowded { CROWDED } else { CHECKS } {
        check();
        println!("std-check: {name}: ok");
    }
    println!("std-check: complete");
    std::process::exit(0);
}
