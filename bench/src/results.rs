//! The file of results: the machine, and a row for each thing measured. What was not measured is absent, never zero.

use crate::guest;
use crate::line::Row;
use anyhow::{Context, Result};
use serde::Serialize;
use std::path::Path;
use std::process::Command;

/// Everything that a run measured.
#[derive(Serialize)]
pub struct Results {
    /// Where it was measured.
    pub machine: Machine,
    /// What was measured.
    pub rows: Vec<Measured>,
}

/// Where it was measured.
#[derive(Serialize)]
pub struct Machine {
    /// The emulator's version.
    pub emulator: String,
    /// The emulator's command line, without what it boots.
    pub command: String,
    /// The commit of the sources; "+" if they were changed since.
    pub commit: String,
}

/// One measured row.
#[derive(Serialize)]
pub struct Measured {
    /// Name, as in the list of goals.
    pub name: String,
    /// What is counted.
    pub unit: String,
    /// Here.
    pub capos: f64,
    /// On Linux in the same run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub linux: Option<f64>,
    /// `capos / linux`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// Whether the benchmark checked its own result.
    pub verified: bool,
}

impl Results {
    /// The results of a run.
    pub fn new(rows: Vec<Row>) -> Result<Results> {
        let qemu = guest::machine();
        let version = output(Command::new(qemu.command().get_program()).arg("--version"))?;
        let machine = Machine {
            emulator: version.lines().next().unwrap_or_default().into(),
            command: qemu.to_string(),
            commit: commit()?,
        };
        Ok(Results { machine, rows: rows.into_iter().map(Measured::from).collect() })
    }

    /// Writes the file at `path`.
    pub fn write(&self, path: &Path) -> Result<()> {
        std::fs::create_dir_all(path.parent().context("results go into a folder")?)?;
        std::fs::write(path, serde_json::to_string_pretty(self)? + "\n").with_context(|| path.display().to_string())
    }
}

impl From<Row> for Measured {
    fn from(row: Row) -> Measured {
        Measured { name: row.name, unit: row.unit, capos: row.value, linux: None, ratio: None, verified: row.verified }
    }
}

fn commit() -> Result<String> {
    let source = tools::artifacts::source();
    let commit = output(Command::new("git").current_dir(source).args(["describe", "--always", "--dirty=+"]))?;
    Ok(commit.trim().into())
}

fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    Ok(String::from_utf8(output.stdout)?)
}
