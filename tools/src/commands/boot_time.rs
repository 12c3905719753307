//! `capos boot-time`: boots where time is the count of executed instructions, and draws the stages of the kernel's start.

use anyhow::{Context, Result};
use clap::Args;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ExitCode, Stdio};
use tools::boot_time::{BootTime, grouped};
use tools::{artifacts, qemu::Qemu};

/// The processor: its string instructions count as one instruction for each word, as written.
const PROCESSOR: &str = "max,-erms,-fsrm";
/// Lines that a boot takes at most before it has said how long it took.
const MAX_LINES: usize = 100;

/// Arguments of `capos boot-time`.
#[derive(Args)]
pub struct Measure {
    /// Boot package: a path, or the name of one that `make build` makes.
    #[arg(long, default_value = artifacts::SYSTEM)]
    package: String,
    /// Memory in MiB.
    #[arg(long, default_value_t = 512)]
    memory: u32,
    /// Where the picture goes.
    #[arg(long, default_value_os_t = artifacts::source().join("docs/src/boot-time.svg"))]
    out: PathBuf,
}

impl Measure {
    /// Measures one boot; the next one would give the same figures.
    pub fn execute(self) -> Result<ExitCode> {
        let qemu = Qemu::new()
            .kernel(artifacts::require(artifacts::kernel())?)
            .package(artifacts::require(artifacts::package(&self.package))?)
            .memory(self.memory)
            .cpu(PROCESSOR)
            .icount()
            .args(["-serial", "stdio"]);
        let mut child = qemu.command().stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let said = listen(&mut child);
        child.kill()?;
        child.wait()?;
        let measured = BootTime::read(&said?)?;
        for (name, ticks) in &measured.stages {
            println!("{:>12}  {name}", grouped(*ticks));
        }
        let title = format!("{} instructions from the kernel's entry to init", grouped(measured.total));
        std::fs::write(&self.out, measured.picture(&title)).with_context(|| self.out.display().to_string())?;
        println!("{title}: {}", self.out.display());
        Ok(ExitCode::SUCCESS)
    }
}

/// What the machine says up to its report.
fn listen(child: &mut Child) -> Result<String> {
    let line = child.stdout.take().context("the serial line was piped")?;
    let mut said = String::new();
    for line in BufReader::new(line).lines().take(MAX_LINES) {
        said += &(line? + "\n");
        if BootTime::read(&said).is_ok() {
            break;
        }
    }
    Ok(said)
}
