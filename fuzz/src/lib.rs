//! Every parser of untrusted bytes, as a function of bytes alone. A [`Target`] must survive any input: it may refuse, but not
//! panic, hang, or read beyond the bytes.
//!
//! `cargo test` runs each target over its seeds, `make fuzz` lets libFuzzer search for more. An input that made a target fail
//! becomes a seed once the parser is mended.

extern crate alloc;

pub mod targets;

use std::path::{Path, PathBuf};

/// A parser, driven by bytes.
pub struct Target {
    /// Name on the command line, and of its folder of seeds.
    pub name: &'static str,
    /// What is parsed, and where the bytes come from.
    pub what: &'static str,
    /// Parses.
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: &[Target] =
    &[Target { name: "acpi", what: "the firmware's tables, as the kernel reads them", run: targets::acpi::run }];

impl Target {
    /// The target of this name.
    pub fn named(name: &str) -> Option<&'static Target> {
        TARGETS.iter().find(|target| target.name == name)
    }

    /// The folder of its seeds.
    pub fn seeds(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(self.name)
    }
}
