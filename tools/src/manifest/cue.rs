//! Evaluation by the real `cue`, pinned in the Go module `tools/cue`.

use super::{Refusal, Refusals};
use crate::artifacts;
use anyhow::{Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The `cue` command.
pub struct Cue {
    path: PathBuf,
}

impl Cue {
    /// Finds the command: the variable `CUE` names it, else it is the one that the set-up script built.
    pub fn find() -> Result<Cue> {
        let path = std::env::var_os("CUE").map_or_else(artifacts::cue, PathBuf::from);
        ensure!(path.is_file(), "{} is missing: run `make setup` first", path.display());
        Ok(Cue { path })
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
