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

/// All guests, in the order in which they run.
pub const GUESTS: &[Guest] =
    &[Guest { name: "primitives", kind: Kind::Counting }, Guest { name: "services", kind: Kind::Counting }];

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
        name: "ipc.capnp.call",
        guest: "primitives",
        what: "the same by generated client and server, six words in each direction, blocking",
        linux: "",
        goal: Some(3_000.0),
    },
    Row {
        name: "boot.services",
        guest: "services",
        what: "from the kernel's entry until every service of the default system answers",
        linux: "from the reset until the first program's first instruction",
        goal: Some(150_000_000.0),
    },
    Row {
        name: "memory.idle",
        guest: "services",
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
