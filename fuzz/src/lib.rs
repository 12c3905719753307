//! Every parser of untrusted bytes, as a function of bytes alone. A [`Target`] must survive any input: it may refuse, but not
//! panic, hang, or read beyond the bytes.
//!
//! `cargo test` runs each target over its seeds, `make fuzz` lets libFuzzer search for more. An input that made a target fail
//! becomes a seed once the parser is mended.

extern crate alloc;

pub mod targets;

use kernel_core::fuzz as core;
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
pub const TARGETS: &[Target] = &[
    Target { name: "acpi", what: "the firmware's tables, as the kernel reads them", run: targets::acpi::run },
    Target { name: "sleep", what: "ACPI byte code, searched for the sleep types", run: targets::sleep::run },
    Target { name: "mp", what: "MultiProcessor tables of machines without ACPI", run: targets::mp::run },
    Target { name: "virtio", what: "virtio devices on the kernel's command line", run: targets::virtio::run },
    Target { name: "memory-map", what: "the memory map that firmware or loader gives", run: targets::memory_map::run },
    Target { name: "loader", what: "the kernel's file, as the UEFI loader reads it", run: targets::loader::run },
    Target { name: "package", what: "the boot package, and the start of init from it", run: core::package },
    Target { name: "init-elf", what: "init's program file, as the kernel reads it", run: core::program },
    Target { name: "ring", what: "entries, positions and messages that a program puts into its ring", run: core::ring },
    Target { name: "params", what: "parameters of calls to kernel objects", run: core::params },
    Target { name: "spawn", what: "program files, as every spawner reads them", run: targets::spawn::run },
    Target { name: "startup", what: "the startup block, as the runtime reads it", run: targets::startup::run },
    Target { name: "message", what: "capnp messages of a ring, as the runtime reads them", run: targets::message::run },
    Target { name: "manifest", what: "the compiled manifest, as init reads it", run: targets::manifest::run },
    Target { name: "description", what: "the description that the compiler reads", run: targets::description::run },
    Target { name: "remote", what: "frames of capnp-rpc on a serial line", run: targets::remote::run },
    Target { name: "terminal", what: "bytes typed at a terminal", run: targets::terminal::run },
    Target { name: "command", what: "a line typed to the shell", run: targets::command::run },
];

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
