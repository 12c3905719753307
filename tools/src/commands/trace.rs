//! `capos trace`: boots a package with tracing on, and draws what every processor did.

use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use std::process::{Child, ExitCode, Stdio};
use std::time::Duration;
use tools::qemu::{Qemu, Qmp};
use tools::{artifacts, trace};

/// Arguments of `capos trace`.
#[derive(Args)]
pub struct Trace {
    /// Boot package: a path, or the name of one that `make build` makes.
    #[arg(long, default_value = artifacts::SYSTEM)]
    package: String,
    /// Processors.
    #[arg(long, default_value_t = 2)]
    cpus: u32,
    /// Seconds that the machine runs.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Where the timeline goes.
    #[arg(long, default_value_os_t = artifacts::build().join("trace.json"))]
    out: PathBuf,
}

/// How long an answer of QEMU may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Ends QEMU with whoever started it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Trace {
    /// Runs the machine, stops it, and reads its memory.
    pub fn execute(self) -> Result<ExitCode> {
        let kernel = artifacts::require(artifacts::kernel())?;
        let folder = std::env::temp_dir().join(format!("capos-trace-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let (socket, dump) = (folder.join("qmp"), folder.join("memory"));
        let qemu = Qemu::new()
            .kernel(&kernel)
            .package(artifacts::require(artifacts::package(&self.package))?)
            .cpus(self.cpus)
            .command_line("trace")
            .args(["-serial", "null", "-qmp", &format!("unix:{},server=on,wait=off", socket.display())]);
        let mut running = Running(qemu.command().stdin(Stdio::null()).spawn().context("cannot start QEMU")?);
        let mut qmp = Qmp::connect(&socket, PATIENCE)?;
        std::thread::sleep(Duration::from_secs(self.seconds));
        qmp.execute("stop", json!({}))?;
        let read = trace::read(&kernel, |address, bytes| Ok(qmp.memory(address, bytes, &dump)?));
        running.0.kill()?;
        std::fs::remove_dir_all(&folder)?;
        let read = read?;
        std::fs::write(&self.out, trace::timeline(&read).to_string())?;
        let events: usize = read.processors.iter().map(Vec::len).sum();
        println!("{events} events of {} processors: open {} in Perfetto", read.processors.len(), self.out.display());
        Ok(ExitCode::SUCCESS)
    }
}
