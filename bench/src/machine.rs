//! Starts a machine, and reads what its guest says until it ends.

use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use tools::qemu::{Exit, Qemu};

/// Lines that an error shows.
const TAIL_LINES: usize = 20;
/// Memory of every machine, in MiB.
const MEMORY_MIB: u32 = 512;
/// Without the fast string instructions, because the emulator counts one instruction for each repetition.
const PROCESSOR: &str = "max,-erms,-fsrm";

/// The machine on which a row is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One processor, one instruction per nanosecond: figures repeat exactly.
    Counting,
    /// Two processors that really run at the same time. Only ratios and comparisons within one run mean something.
    Parallel,
}

impl Kind {
    /// The machine, with nothing to boot yet.
    pub fn machine(self) -> Qemu {
        let machine = Qemu::new().memory(MEMORY_MIB).cpu(PROCESSOR);
        match self {
            Kind::Counting => machine.icount(),
            Kind::Parallel => machine.cpus(2),
        }
    }
}

/// Runs the machine until its guest turns it off with code 0; the lines that it said.
pub fn run(name: &str, machine: Qemu) -> Result<Vec<String>> {
    let machine = machine.args(["-serial", "stdio"]);
    let mut child =
        machine.command().stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("QEMU does not start")?;
    let lines = read(&mut child)?;
    let exit = Exit::of(child.wait()?);
    if exit != Exit::Shutdown(0) {
        let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n  | ");
        bail!("benchmark {name}: {exit}\n  command: {machine}\n  | {tail}");
    }
    Ok(lines)
}

fn read(child: &mut Child) -> Result<Vec<String>> {
    let line = child.stdout.take().context("the serial line was piped")?;
    let lines =
        BufReader::new(line).split(b'\n').map(|line| Ok(String::from_utf8_lossy(&line?).trim_end().to_string()));
    lines.collect()
}
