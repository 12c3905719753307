//! Where the instructions of a row go: its guest runs under a plugin of the emulator that counts blocks of instructions
//! between the marks around the row's samples, and each instruction is told by the function that it was written in.

mod blocks;
mod programs;

use crate::rows::{self, Row};
use crate::table::number;
use crate::{line, machine};
use anyhow::{Context, Result, ensure};
use blocks::Block;
use capos_abi::boot::KASLR_OFF;
use programs::{Place, Programs};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use tools::artifacts;

/// Lines of each table; the rest is summed up.
const SHOWN: usize = 25;

/// Profiles a row; the profile as a table.
pub fn run(row: &Row) -> Result<String> {
    let guest = rows::GUESTS.iter().find(|guest| guest.name == row.guest).context("every row has a guest")?;
    let folder = artifacts::build().join("bench");
    std::fs::create_dir_all(&folder)?;
    let (plugin, out) = (build_plugin(&folder)?, folder.join("blocks"));
    let machine = guest.kind.machine().kernel(artifacts::require(artifacts::kernel())?);
    let machine = machine.package(artifacts::require(artifacts::package(guest.name))?);
    // Blocks of instructions are told by their linked addresses.
    let machine = machine.command_line(KASLR_OFF);
    let machine = machine.args(["-plugin", &format!("file={},out={}", plugin.display(), out.display())]);
    let figures = line::figures(&machine::run(guest.name, machine)?);
    let at = figures.iter().position(|figure| figure.name == row.name).context("the guest did not say the row")?;
    let sections = blocks::read(&std::fs::read_to_string(&out)?)?;
    ensure!(sections.len() == figures.len(), "{} is not measured by samples: it has no profile", row.name);
    Ok(draw(row.name, figures[at].value, &attribute(&sections[at])?))
}

fn build_plugin(folder: &Path) -> Result<PathBuf> {
    let (source, plugin) = (artifacts::source().join("bench/profile/plugin.c"), folder.join("profile.so"));
    let mut compiler = Command::new("cc");
    compiler.args(["-O2", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&plugin).arg(source);
    let status = compiler.status().context("there is no C compiler `cc`")?;
    ensure!(status.success(), "the C compiler fails: {compiler:?}");
    Ok(plugin)
}

/// Instructions by the place that they were written in.
fn attribute(section: &[Block]) -> Result<Vec<(Place, u64)>> {
    let programs = Programs::open()?;
    let mut counts: HashMap<Place, u64> = HashMap::new();
    for block in section {
        for place in programs.places(block) {
            *counts.entry(place).or_default() += block.runs;
        }
    }
    Ok(counts.into_iter().collect())
}

/// The profile, scaled to one operation of the row, which takes `value` instructions: by program, file and function.
fn draw(name: &str, value: f64, counts: &[(Place, u64)]) -> String {
    let total: u64 = counts.iter().map(|(_, count)| count).sum();
    let scale = value / total.max(1) as f64;
    let by = |key: fn(&Place) -> String| {
        let mut sums: HashMap<String, u64> = HashMap::new();
        counts.iter().for_each(|(place, count)| *sums.entry(key(place)).or_default() += count);
        let mut sums: Vec<_> = sums.into_iter().map(|(key, count)| (count as f64 * scale, key)).collect();
        sums.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        sums
    };
    let mut text = format!("{name}: {} instructions\n\n", number(value));
    text += &table("program", by(|place| format!("`{}`", place.program)));
    text += &table("file", by(|place| format!("`{}` {}", place.program, place.file)));
    text + &table("function", by(|place| format!("`{}` {} `{}`", place.program, place.file, place.function)))
}

/// A table of the largest sums.
fn table(heading: &str, sums: Vec<(f64, String)>) -> String {
    let mut table = format!("| instructions | {heading} |\n|---:|---|\n");
    sums.iter().take(SHOWN).for_each(|(count, key)| table += &format!("| {count:.0} | {key} |\n"));
    let rest: f64 = sums.iter().skip(SHOWN).map(|(count, _)| count).sum();
    if rest > 0.0 {
        table += &format!("| {rest:.0} | the rest |\n");
    }
    table + "\n"
}
