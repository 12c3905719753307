//! `capos run`: boots a boot package in QEMU, with the serial line on this terminal (Ctrl-A X ends it).
//!
//! The exit status is the code that the system was shut down with.

use anyhow::Result;
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use tools::artifacts;
use tools::qemu::{Exit, Qemu};

/// Arguments of `capos run`.
#[derive(Args)]
pub struct Run {
    /// Kernel to boot.
    #[arg(long)]
    kernel: Option<PathBuf>,
    /// Boot package: a path, or the name of one that `make build` makes.
    #[arg(long, default_value = artifacts::SYSTEM)]
    package: String,
    /// Processors.
    #[arg(long, default_value_t = 2)]
    cpus: u32,
    /// Memory in MiB.
    #[arg(long, default_value_t = 512)]
    memory: u32,
    /// Processor model.
    #[arg(long, default_value = "max")]
    cpu: String,
    /// Waits for gdb on TCP port 1234 before the first instruction.
    #[arg(long)]
    debug: bool,
    /// Prints the QEMU command line before it runs.
    #[arg(long, short)]
    verbose: bool,
    /// Further arguments for QEMU.
    #[arg(last = true)]
    arguments: Vec<OsString>,
}

impl Run {
    /// Runs the machine until it ends.
    pub fn execute(self) -> Result<ExitCode> {
        let mut qemu = Qemu::new()
            .kernel(artifacts::require(self.kernel.clone().unwrap_or_else(artifacts::kernel))?)
            .package(artifacts::require(artifacts::package(&self.package))?)
            .cpus(self.cpus)
            .memory(self.memory)
            .cpu(&self.cpu)
            .args(["-serial", "mon:stdio"])
            .args(&self.arguments);
        if self.debug {
            qemu = qemu.args(["-s", "-S"]);
        }
        if self.verbose {
            eprintln!("{qemu}");
        }
        let exit = Exit::of(qemu.command().status()?);
        match exit {
            Exit::Shutdown(code) => Ok(ExitCode::from(code)),
            // Ctrl-A X and a power-off without a code look the same.
            Exit::Off => Ok(ExitCode::SUCCESS),
            other => anyhow::bail!("{other}"),
        }
    }
}
