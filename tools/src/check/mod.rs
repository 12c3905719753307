//! What must stay true of the tree, checked by machine: `capos check`, one file for each rule.
//!
//! Every check returns the violations it found, one sentence each; none means that the rule holds. Checks that compare with a
//! table in the tree can write that table anew.

pub mod abi;
pub mod edges;
pub mod invariants;
mod movable;
pub mod objects;
pub mod panics;
pub mod schema;
mod source;
pub mod statuses;
pub mod table;
pub mod unsafe_code;

use anyhow::Result;
use std::path::Path;

/// What a check found: one sentence for each violation.
pub type Violations = Vec<String>;

/// A rule and its check.
pub struct Check {
    /// Name on the command line.
    pub name: &'static str,
    /// What it keeps true.
    pub rule: &'static str,
    /// Runs it on the tree at this path; `write` renews its table.
    pub run: fn(&Path, write: bool) -> Result<Violations>,
}

/// Every check, the quick ones first.
pub const CHECKS: &[Check] = &[
    Check { name: "abi", rule: "capos-abi holds repr(C) data and constants only", run: |root, _| abi::check(root) },
    Check { name: "invariants", rule: "what shows an invariant exists", run: |root, _| invariants::check(root) },
    Check { name: "statuses", rule: "every status is explained", run: |root, _| statuses::check(root) },
    Check {
        name: "objects",
        rule: "every kernel method and every status is checked by a guest",
        run: |root, _| objects::check(root),
    },
    Check { name: "edges", rule: "crates depend on each other as the map allows", run: |root, _| edges::check(root) },
    Check { name: "unsafe", rule: "unsafe code stands where docs/tables/unsafe.txt says", run: unsafe_code::check },
    Check {
        name: "schema",
        rule: "no interface or ring layout changes incompatibly without a declaration",
        run: schema::check,
    },
    Check { name: "movable", rule: "the kernel's file can lie at any address", run: |_, _| movable::check() },
    Check { name: "panics", rule: "every panic site in the kernel is listed with its reason", run: panics::check },
];
