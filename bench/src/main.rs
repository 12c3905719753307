//! `make bench`: runs the benchmark guests on an emulator that counts instructions, and shows what they measured.
//!
//! A guest says one line per result on the serial line (see [`line`]) and shuts the system down with code 0 when it has
//! verified them. The results go to `results.json`, to the terminal and, with `--docs`, into the book.

mod guest;
mod line;
mod results;
mod table;

use anyhow::Result;
use clap::Parser;
use std::path::PathBuf;
use tools::artifacts;

/// The boot packages with benchmarks: made of `bench/manifests/<name>.cue`.
const GUESTS: &[&str] = &["primitives", "services"];

/// Runs the benchmarks.
#[derive(Parser)]
struct Arguments {
    /// Where the results go.
    #[arg(long, default_value = "target/bench/results.json")]
    results: PathBuf,
    /// Puts the table into the book, too.
    #[arg(long)]
    docs: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut rows = Vec::new();
    for name in GUESTS {
        rows.extend(guest::run(name)?);
    }
    let results = results::Results::new(rows)?;
    results.write(&artifacts::source().join(arguments.results))?;
    let table = table::draw(&results);
    print!("{table}");
    if arguments.docs {
        table::put_into(&artifacts::source().join("docs/src/benchmarks.md"), &table)?;
    }
    Ok(())
}
