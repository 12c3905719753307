//! `capos run`: boots a boot package in QEMU, with the serial line on this terminal (Ctrl-A X ends it).
//!
//! The exit status is the code that the system was shut down with. If the kernel panicked or a program faulted, the addresses in
//! what they said are explained.

use anyhow::{Context, Result};
use capos_abi::boot::KASLR_OFF;
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use tools::qemu::{Exit, Qemu};
use tools::{artifacts, backtrace, gdb};

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
    /// Waits for gdb on TCP port 1234 before the first instruction, and writes a script for it.
    #[arg(long)]
    debug: bool,
    /// With --debug: the programs whose symbols gdb loads.
    #[arg(long, default_values_t = ["init".to_string()])]
    symbols: Vec<String>,
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
        let log = artifacts::build().join("logs/run.log");
        std::fs::create_dir_all(log.parent().unwrap_or(&log))?;
        let line = format!("stdio,id=line,mux=on,signal=off,logfile={}", log.display());
        let mut qemu = Qemu::new()
            .kernel(artifacts::require(self.kernel.clone().unwrap_or_else(artifacts::kernel))?)
            .package(artifacts::require(artifacts::package(&self.package))?)
            .cpus(self.cpus)
            .memory(self.memory)
            .cpu(&self.cpu)
            .args(["-chardev", &line, "-serial", "chardev:line", "-mon", "chardev=line"])
            .args(&self.arguments);
        if self.debug {
            let script = artifacts::build().join("debug.gdb");
            std::fs::write(&script, gdb::script(&self.symbols)).with_context(|| script.display().to_string())?;
            eprintln!("gdb -x {} -ex 'target remote {}'", script.display(), gdb::ADDRESS);
            // gdb knows the addresses that the kernel is linked at.
            qemu = qemu.command_line(KASLR_OFF).args(["-s", "-S"]);
        }
        if self.verbose {
            eprintln!("{qemu}");
        }
        let exit = Exit::of(qemu.command().status()?);
        let said = std::fs::read(&log).unwrap_or_default();
        if let Some(text) = backtrace::explain(&String::from_utf8_lossy(&said)) {
            eprint!("\nwhat the addresses mean:\n{text}");
        }
        match exit {
            Exit::Shutdown(code) => Ok(ExitCode::from(code)),
            // Ctrl-A X and a power-off without a code look the same.
            Exit::Off => Ok(ExitCode::SUCCESS),
            other => anyhow::bail!("{other}"),
        }
    }
}
