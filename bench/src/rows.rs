//! Every row: what it measures, which guest says it, what Linux does in its place, and the goal.

use crate::machine::Kind;

/// A row of the results.
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// The guest that measures it.
    pub guest: &'static str,
    /// What is measured.
    pub what: &'static str,
    /// What is measured on Linux; nothing if it has no counterpart.
    pub linux: &'static str,
    /// What it should be at most (at least, for a speed-up), in the row's unit.
    pub goal: Option<f64>,
}

/// A boot package with benchmarks.
pub struct Guest {
    /// Name of its manifest in `bench/manifests`.
    pub name: &'static str,
    /// The machine that it needs.
    pub kind: Kind,
}

/// The guest that is the default system, and more.
pub const SYSTEM: &str = "services";

/// All guests, in the order in which they run.
pub const GUESTS: &[Guest] = &[
    Guest { name: "primitives", kind: Kind::Counting },
    Guest { name: "threads", kind: Kind::Counting },
    Guest { name: "memory", kind: Kind::Counting },
    Guest { name: "spawn", kind: Kind::Counting },
    Guest { name: "busy", kind: Kind::Counting },
    Guest { name: "parallel", kind: Kind::Parallel },
    Guest { name: SYSTEM, kind: Kind::Counting },
];

/// All rows, in the order of the table.
pub const ROWS: &[Row] = &[
    Row {
        name: "ring.nop.batch64",
        guest: "primitives",
        what: "a ring entry that does nothing, in a batch of 64",
        linux: "the same with io_uring",
        goal: Some(60.0),
    },
    Row {
        name: "call.null.batch64",
        guest: "primitives",
        what: "a call of a kernel object that does nothing, in a batch of 64",
        linux: "",
        goal: Some(140.0),
    },
    Row {
        name: "call.null.single",
        guest: "primitives",
        what: "the same alone, system call included",
        linux: "one io_uring entry that does nothing",
        goal: Some(350.0),
    },
    Row {
        name: "ipc.raw.64",
        guest: "primitives",
        what: "a call between two processes on the raw ring, 64 bytes in each direction",
        linux: "64 bytes through a pipe, and back through another",
        goal: Some(1_000.0),
    },
    Row {
        name: "ipc.raw.4096",
        guest: "primitives",
        what: "the same with 4 KiB",
        linux: "the same with 4 KiB",
        goal: Some(2_400.0),
    },
    Row {
        name: "ipc.raw.cap1",
        guest: "primitives",
        what: "64 bytes and a copied capability, which the server gives up",
        linux: "64 bytes and a descriptor over a socket, closed there",
        goal: Some(2_000.0),
    },
    Row {
        name: "ipc.capnp.call",
        guest: "primitives",
        what: "a call by generated client and server, six words in each direction, blocking",
        linux: "",
        goal: Some(3_000.0),
    },
    Row {
        name: "ipc.capnp.send",
        guest: "primitives",
        what: "the same by stock `send()` and `await`",
        linux: "",
        goal: Some(3_500.0),
    },
    Row {
        name: "queue.message",
        guest: "primitives",
        what: "a message of 32 bytes to another process through a queue in shared memory, in a batch of 512 that it adds up",
        linux: "",
        goal: Some(60.0),
    },
    Row {
        name: "notification.rtt",
        guest: "threads",
        what: "two threads that signal each other and wait",
        linux: "two event descriptors",
        goal: Some(1_300.0),
    },
    Row {
        name: "park.rtt",
        guest: "threads",
        what: "two threads that park and unpark each other",
        linux: "a futex",
        goal: Some(1_300.0),
    },
    Row {
        name: "thread.create_join",
        guest: "threads",
        what: "a thread that starts and is joined",
        linux: "the same with POSIX threads",
        goal: Some(8_000.0),
    },
    Row {
        name: "process.spawn_wait",
        guest: "spawn",
        what: "the smallest program started, ended and waited for",
        linux: "vfork, exec, wait",
        goal: Some(60_000.0),
    },
    Row {
        name: "vm.page1",
        guest: "memory",
        what: "a page committed, touched and given back",
        linux: "the same with mmap and munmap",
        goal: Some(3_000.0),
    },
    Row {
        name: "vm.page256",
        guest: "memory",
        what: "256 pages, likewise",
        linux: "256 pages, likewise",
        goal: Some(300_000.0),
    },
    Row {
        name: "fault.roundtrip",
        guest: "memory",
        what: "the first touch of a committed page",
        linux: "the first touch of a mapped page",
        goal: Some(1_500.0),
    },
    Row {
        name: "wake.busy50",
        guest: "busy",
        what: "from a signal to the first instruction of the thread that waits for it, among 50 busy ones",
        linux: "the same with an event descriptor",
        goal: None,
    },
    Row {
        name: "wake.busy50.urgent",
        guest: "busy",
        what: "the same for a thread on a `SchedulingContext` with a slice of 0.1 ms",
        linux: "the same for a thread with a real-time policy",
        goal: None,
    },
    Row {
        name: "fairness.50",
        guest: "busy",
        what: "what the luckiest of 50 busy threads got done in 1.5 s, in times of the unluckiest",
        linux: "the same",
        goal: None,
    },
    Row {
        name: "scale.process.2",
        guest: "parallel",
        what: "speed-up by a second processor: two processes that compute and call the kernel",
        linux: "the same",
        goal: None,
    },
    Row {
        name: "scale.thread.2",
        guest: "parallel",
        what: "the same with two threads of one process",
        linux: "the same",
        goal: None,
    },
    Row {
        name: "scale.ipc.2",
        guest: "parallel",
        what: "speed-up by a second processor: two pairs of processes that only call each other on the raw ring, 64 bytes in each direction",
        linux: "two pairs that send 64 bytes through a pipe, and back through another",
        goal: None,
    },
    Row {
        name: "ipc.cross.64",
        guest: "parallel",
        what: "a call on the raw ring to a process that stays on another processor, 64 bytes in each direction",
        linux: "64 bytes through a pipe to a process that stays on another processor, and back through another",
        goal: None,
    },
    Row {
        name: "boot.kernel",
        guest: SYSTEM,
        what: "from the kernel's entry to the first instruction of init",
        linux: "from the reset until the first program's first instruction",
        goal: Some(20_000_000.0),
    },
    Row {
        name: "boot.services",
        guest: SYSTEM,
        what: "from the kernel's entry until every service of the default system answers",
        linux: "from the reset until the first program's first instruction",
        goal: Some(150_000_000.0),
    },
    Row {
        name: "memory.idle",
        guest: SYSTEM,
        what: "memory in use then, kernel and boot package included",
        linux: "memory that is not available when the first program starts",
        goal: Some(50_331_648.0),
    },
];

/// The row with this name.
pub fn find(name: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.name == name)
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn every_row_has_a_name_of_its_own_and_a_guest() {
        for (index, row) in ROWS.iter().enumerate() {
            assert!(GUESTS.iter().any(|guest| guest.name == row.guest), "{}", row.name);
            assert!(ROWS[..index].iter().all(|other| other.name != row.name), "{}", row.name);
        }
    }
}
