//! `make bench`: measures capOS, and Linux beside it, on an emulator that counts instructions.
//!
//! A guest says one line for each result on the serial line (see [`line`]) and ends well when it has verified them. The results
//! go to `results.json`, to the terminal and, with `--docs`, into the book. With `--base`, another commit is measured, too,
//! and the run fails if it was faster.

mod base;
mod capos;
mod compare;
mod line;
mod linux;
mod machine;
mod plot;
mod profile;
mod results;
mod rows;
mod table;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use compare::{Comparison, MAX_REGRESSION_PERCENT};
use line::Figure;
use linux::Linux;
use machine::Kind;
use results::Results;
use std::path::PathBuf;
use tools::artifacts;

/// Runs the benchmarks.
#[derive(Parser)]
struct Arguments {
    /// Where the results go.
    #[arg(long, default_value = "target/bench/results.json")]
    results: PathBuf,
    /// Measures this row only (may be repeated), and writes no results.
    #[arg(long = "row")]
    rows: Vec<String>,
    /// Builds this commit, measures it, too, and fails if a row became slower since.
    #[arg(long)]
    base: Option<String>,
    /// Measures capOS alone.
    #[arg(long)]
    no_linux: bool,
    /// Boots this Linux kernel instead of downloading the distribution's.
    #[arg(long)]
    linux_kernel: Option<PathBuf>,
    /// Shows where the instructions of the row go, instead of measuring.
    #[arg(long, requires = "rows")]
    profile: bool,
    /// Puts table and picture into the book, too.
    #[arg(long, conflicts_with = "rows")]
    docs: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let wanted = arguments.wanted()?;
    if arguments.profile {
        for row in wanted {
            println!("{}", profile::run(row)?);
        }
        return Ok(());
    }
    let capos = capos::run(&artifacts::build(), &wanted)?;
    if let Some(commit) = &arguments.base {
        return compare(commit, &wanted, &capos);
    }
    let linux = arguments.linux();
    let beside = linux.as_ref().map(|linux| measure_linux(linux, &wanted)).transpose()?.unwrap_or_default();
    let results = Results::new(capos, &beside, linux.map(|linux| linux.version()))?;
    let table = table::draw(&results);
    print!("{table}");
    if arguments.rows.is_empty() {
        results.write(&artifacts::source().join(&arguments.results))?;
    }
    if arguments.docs {
        let pages = artifacts::source().join("docs/src");
        std::fs::write(pages.join("benchmarks.svg"), plot::draw(&results.rows))?;
        table::put_into(&pages.join("benchmarks.md"), &format!("{table}\n{}", table::legend()))?;
    }
    Ok(())
}

impl Arguments {
    /// The rows to measure.
    fn wanted(&self) -> Result<Vec<&'static rows::Row>> {
        if self.rows.is_empty() {
            return Ok(rows::ROWS.iter().collect());
        }
        self.rows.iter().map(|name| rows::find(name).with_context(|| format!("there is no row {name:?}"))).collect()
    }

    /// The Linux guest, if it is wanted and can be made.
    fn linux(&self) -> Option<Linux> {
        if self.no_linux {
            return None;
        }
        let linux = Linux::prepare(self.linux_kernel.as_deref());
        linux.inspect_err(|error| eprintln!("bench: no Linux to compare with, its column stays empty: {error:#}")).ok()
    }
}

/// Runs Linux on each kind of machine that a wanted row needs.
fn measure_linux(linux: &Linux, wanted: &[&rows::Row]) -> Result<Vec<Figure>> {
    let needed = |kind: &&Kind| {
        let guests = rows::GUESTS.iter().filter(|guest| guest.kind == **kind);
        guests.into_iter().any(|guest| wanted.iter().any(|row| row.guest == guest.name && !row.linux.is_empty()))
    };
    let runs = [Kind::Counting, Kind::Parallel].iter().filter(needed).map(|kind| linux.run(*kind));
    Ok(runs.collect::<Result<Vec<_>>>()?.concat())
}

/// Measures the other commit, and fails if it was faster.
fn compare(commit: &str, wanted: &[&rows::Row], now: &[Figure]) -> Result<()> {
    let before = capos::run(&base::build(commit)?, wanted)?;
    let comparison = Comparison::new(&before, now);
    ensure!(!comparison.is_empty(), "nothing is compared: {commit} has none of these rows");
    print!("{}", comparison.draw(commit));
    let slower = comparison.regressions();
    ensure!(slower.is_empty(), "more than {MAX_REGRESSION_PERCENT} % slower than {commit}: {}", slower.join(", "));
    Ok(())
}
