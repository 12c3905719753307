//! Evaluation by the real `cue`, pinned in the Go module `tools/cue`.

use super::{Refusal, Refusals};
use crate::artifacts;
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The `cue` command.
pub struct Cue {
    path: PathBuf,
}

impl Cue {
    /// Finds the command: the variable `CUE` names it, else Go builds the pinned one, once.
    pub fn find() -> Result<Cue> {
        if let Some(path) = std::env::var_os("CUE") {
            return Ok(Cue { path: path.into() });
        }
        let go = std::env::var_os("GO").unwrap_or_else(|| "go".into());
        let output = Command::new(&go)
            .arg("-C")
            .arg(artifacts::source().join("tools/cue"))
            .args(["tool", "-n", "cue"])
            .output()
            .with_context(|| format!("{} does not run: `make setup` installs it", go.display()))?;
        ensure!(output.status.success(), "go cannot build cue: {}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(Cue { path: String::from_utf8(output.stdout)?.trim().into() })
    }

    /// The JSON text that the file evaluates to.
    pub fn evaluate(&self, file: &Path) -> Result<String, Refusals> {
        let refuse = |sentence: String| Refusals::from(Refusal::new("", sentence));
        let file = std::path::absolute(file).map_err(|e| refuse(format!("{}: {e}", file.display())))?;
        let output = Command::new(&self.path)
            .current_dir(artifacts::source())
            .args(["export", "--all-errors", "--out", "json"])
            .arg(&file)
            .output()
            .map_err(|error| refuse(format!("{} does not run: {error}", self.path.display())))?;
        if output.status.success() {
            String::from_utf8(output.stdout).map_err(|error| refuse(error.to_string()))
        } else {
            Err(refusals(&String::from_utf8_lossy(&output.stderr)))
        }
    }
}

/// Cue's complaints without the places, which stand indented below each.
fn refusals(stderr: &str) -> Refusals {
    let complaints = stderr.lines().filter(|line| !line.is_empty() && !line.starts_with(char::is_whitespace));
    let mut refusals: Vec<Refusal> = complaints.map(refusal).collect();
    refusals.dedup();
    Refusals(refusals)
}

fn refusal(complaint: &str) -> Refusal {
    let complaint = complaint.trim_end_matches(':');
    match complaint.split_once(": ") {
        Some((path, sentence)) if !path.contains(' ') => Refusal::new(path, sentence),
        _ => Refusal::new("", complaint),
    }
}
