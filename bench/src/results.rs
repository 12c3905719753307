//! The file of results: the machine, and a row for each thing measured. What was not measured is absent, never zero.

use crate::line::Figure;
use crate::machine::Kind;
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
    /// The Linux that was measured beside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub linux: Option<String>,
}

/// One measured row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// Name of the row.
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
    /// The results of a run: what capOS measured, and beside it what Linux did.
    pub fn new(capos: Vec<Figure>, linux: &[Figure], linux_version: Option<String>) -> Result<Results> {
        let qemu = Kind::Counting.machine();
        let version = output(Command::new(qemu.command().get_program()).arg("--version"))?;
        let machine = Machine {
            emulator: version.lines().next().unwrap_or_default().into(),
            command: qemu.to_string(),
            commit: commit()?,
            linux: linux_version,
        };
        Ok(Results { machine, rows: capos.into_iter().map(|figure| measured(figure, linux)).collect() })
    }

    /// Writes the file at `path`.
    pub fn write(&self, path: &Path) -> Result<()> {
        std::fs::create_dir_all(path.parent().context("results go into a folder")?)?;
        std::fs::write(path, serde_json::to_string_pretty(self)? + "\n").with_context(|| path.display().to_string())
    }
}

/// A figure with its counterpart, if Linux has verified one in the same unit.
fn measured(figure: Figure, linux: &[Figure]) -> Measured {
    let same = |other: &&Figure| other.name == figure.name && other.unit == figure.unit && other.verified;
    let linux = linux.iter().find(same).map(|other| other.value);
    let ratio = linux.filter(|&linux| linux > 0.0).map(|linux| figure.value / linux);
    Measured { name: figure.name, unit: figure.unit, capos: figure.value, linux, ratio, verified: figure.verified }
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

#[cfg(test)]
mod test {
    use super::*;

    fn figure(name: &str, value: f64, verified: bool) -> Figure {
        Figure { name: name.into(), value, unit: "instructions".into(), verified }
    }

    #[test]
    fn only_what_linux_has_verified_stands_beside() {
        let linux = [figure("a", 400.0, true), figure("b", 400.0, false)];
        let rows = ["a", "b", "c"].map(|name| measured(figure(name, 100.0, true), &linux));
        assert_eq!(rows.map(|row| (row.linux, row.ratio)), [(Some(400.0), Some(0.25)), (None, None), (None, None)]);
    }

    #[test]
    fn what_was_not_measured_is_absent() {
        let json = serde_json::to_value(measured(figure("a", 1.0, true), &[])).unwrap();
        assert_eq!(json, serde_json::json!({"name": "a", "unit": "instructions", "capos": 1.0, "verified": true}));
    }
}
