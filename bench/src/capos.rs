//! The benchmark guests of capOS: boot packages made of `bench/manifests/<name>.cue`.

use crate::line::{self, Figure};
use crate::machine::{self, Kind};
use crate::rows;
use anyhow::{Result, ensure};
use std::path::Path;
use tools::boot_time::BootTime;

/// Runs every guest that measures one of the wanted rows, out of what was built into the folder `build`.
///
/// A guest whose package is not there is left out: an older commit does not have them all.
pub fn run(build: &Path, wanted: &[&rows::Row]) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for guest in rows::GUESTS.iter().filter(|guest| wanted.iter().any(|row| row.guest == guest.name)) {
        let package = build.join("packages").join(format!("{}.package", guest.name));
        if package.exists() {
            figures.extend(run_guest(build, &package, guest.name, guest.kind)?);
        } else {
            eprintln!("bench: {} is not there: its rows are left out", package.display());
        }
    }
    figures.retain(|figure| wanted.iter().any(|row| row.name == figure.name));
    Ok(figures)
}

fn run_guest(build: &Path, package: &Path, name: &str, kind: Kind) -> Result<Vec<Figure>> {
    let lines = machine::run(name, kind.machine().kernel(build.join("kernel")).package(package))?;
    let mut figures = line::figures(&lines);
    ensure!(!figures.is_empty(), "benchmark {name} ended well, but gave no result");
    if name == rows::SYSTEM {
        figures.extend(start(&lines));
    }
    Ok(figures)
}

/// What the kernel says about its own start: stages that have to add up.
fn start(lines: &[String]) -> Option<Figure> {
    let time = BootTime::read(&lines.join("\n")).ok()?;
    Some(Figure { name: "boot.kernel".into(), value: time.total as f64, unit: "instructions".into(), verified: true })
}
