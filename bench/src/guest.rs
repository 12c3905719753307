//! Runs one benchmark guest and reads its result lines.

use crate::line::{self, Row};
use anyhow::{Context, Result, bail, ensure};
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use tools::artifacts;
use tools::qemu::{Exit, Qemu};

/// Lines that an error shows.
const TAIL_LINES: usize = 20;

/// The machine of every figure: one processor, one instruction per nanosecond. Without the fast string instructions,
/// because the emulator counts one instruction per repetition.
pub fn machine() -> Qemu {
    Qemu::new().memory(512).cpu("max,-erms,-fsrm").icount()
}

/// Boots the package `name` and returns its results once it has ended well.
pub fn run(name: &str) -> Result<Vec<Row>> {
    let kernel = artifacts::require(artifacts::kernel())?;
    let package = artifacts::require(artifacts::package(name))?;
    let qemu = machine().kernel(kernel).package(package).args(["-serial", "stdio"]);
    let mut child =
        qemu.command().stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("QEMU does not start")?;
    let lines = read(&mut child)?;
    let exit = Exit::of(child.wait()?);
    if exit != Exit::Shutdown(0) {
        let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n  | ");
        bail!("benchmark {name}: {exit}\n  command: {qemu}\n  | {tail}");
    }
    let rows: Vec<Row> = lines.iter().filter_map(|line| line::parse(line)).collect();
    ensure!(!rows.is_empty(), "benchmark {name} ended well, but gave no result");
    Ok(rows)
}

fn read(child: &mut Child) -> Result<Vec<String>> {
    let line = child.stdout.take().context("the serial line was piped")?;
    let lines =
        BufReader::new(line).split(b'\n').map(|line| Ok(String::from_utf8_lossy(&line?).trim_end().to_string()));
    lines.collect()
}
