//! Where the instructions of a row go: its guest runs under a plugin of the emulator that counts blocks of instructions
//! between the marks around the row's samples, and each instruction is told by the function that it was written in.

mod blocks;
mod programs;

use crate::rows::{self, Row};
use crate::table::number;
use crate::{line, machine};
use anyhow::{Context, Result, ensure};
use blocks::Block;
use programs::{Place, Programs};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use tools::artifacts;

/// Places that a profile shows; the rest is summed up.
const SHOWN: usize = 40;

/// Profiles a row; the profile as a table.
pub fn run(row: &Row) -> Result<String> {
    let guest = rows::GUESTS.iter().find(|guest| guest.name == row.guest).context("every row has a guest")?;
    let folder = artifacts::build().join("bench");
    std::fs::create_dir_all(&folder)?;
    let (plugin, out) = (build_plugin(&folder)?, folder.join("blocks"));
    let machine = guest.kind.machine().kernel(artifacts::require(artifacts::kernel())?);
    let machine = machine.package(artifacts::require(artifacts::package(guest.name))?);
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

/// Instructions by the place that they were written in, the most first.
fn attribute(section: &[Block]) -> Result<Vec<(Place, u64)>> {
    let programs = Programs::open()?;
    let mut counts: HashMap<Place, u64> = HashMap::new();
    for block in section {
        for place in programs.places(block) {
            *counts.entry(place).or_default() += block.runs;
        }
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    Ok(counts)
}

/// The table, scaled to one operation of the row, which takes `value` instructions.
fn draw(name: &str, value: f64, counts: &[(Place, u64)]) -> String {
    let total: u64 = counts.iter().map(|(_, count)| count).sum();
    let scaled = |count: u64| count as f64 * value / total.max(1) as f64;
    let mut table = format!("{name}: {} instructions\n\n| instructions | program | function | file |\n", number(value));
    table += "|---:|---|---|---|\n";
    for (place, count) in counts.iter().take(SHOWN) {
        let Place { program, function, file } = place;
        table += &format!("| {:.0} | {program} | `{function}` | {file} |\n", scaled(*count));
    }
    let rest: u64 = counts.iter().skip(SHOWN).map(|(_, count)| count).sum();
    table += &format!("| {:.0} | | the rest | |\n\n", scaled(rest));
    let mut programs: HashMap<&str, u64> = HashMap::new();
    counts.iter().for_each(|(place, count)| *programs.entry(&place.program).or_default() += count);
    let mut programs: Vec<_> = programs.into_iter().map(|(program, count)| (scaled(count), program)).collect();
    programs.sort_by(|a, b| b.0.total_cmp(&a.0));
    programs.iter().for_each(|(count, program)| table += &format!("- {program}: {count:.0}\n"));
    table
}
