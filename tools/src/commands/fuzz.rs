//! `capos fuzz`: lets libFuzzer search each parser of untrusted bytes for an input that it does not survive.
//!
//! What the search learns stays in `build/corpus`, what fails comes to `build/findings`.

use anyhow::{Context, Result, ensure};
use clap::Args;
use std::fs::File;
use std::path::Path;
use std::process::{Command, ExitCode};
use tools::artifacts;

/// An input that takes longer than this counts as a hang.
const PATIENCE_SECONDS: u32 = 20;
/// Memory that a target may use before it counts as a failure.
const MEMORY_MIB: u32 = 2048;

/// Arguments of `capos fuzz`.
#[derive(Args)]
pub struct Fuzz {
    /// Targets to search; all of them if none is named.
    targets: Vec<String>,
    /// Seconds for each target.
    #[arg(long, default_value_t = 600)]
    seconds: u32,
}

impl Fuzz {
    /// Searches one target after the other and prints a table of what was done.
    pub fn execute(self) -> Result<ExitCode> {
        let searcher = artifacts::require(artifacts::build().join("fuzz"))?;
        let seeds = artifacts::source().join("fuzz/seeds");
        let targets = if self.targets.is_empty() { names(&seeds)? } else { self.targets.clone() };
        let mut failed = false;
        println!("| target | inputs tried | edges seen | outcome |\n|---|---|---|---|");
        for target in targets {
            let outcome = self.search(&searcher, &target, &seeds.join(&target))?;
            failed |= outcome.failed;
            let verdict = if outcome.failed { "FAILED" } else { "survived" };
            println!("| {target} | {} | {} | {verdict} |", outcome.tried, outcome.edges);
        }
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    fn search(&self, searcher: &Path, target: &str, seeds: &Path) -> Result<Outcome> {
        ensure!(seeds.is_dir(), "there is no target {target}: {} is no folder", seeds.display());
        let corpus = artifacts::build().join("corpus").join(target);
        let findings = artifacts::build().join("findings");
        std::fs::create_dir_all(&corpus)?;
        std::fs::create_dir_all(&findings)?;
        let log = findings.join(format!("{target}.log"));
        let status = Command::new(searcher)
            .env("CAPOS_FUZZ_TARGET", target)
            .args([&corpus, seeds])
            .args([format!("-max_total_time={}", self.seconds), format!("-timeout={PATIENCE_SECONDS}")])
            .args([format!("-rss_limit_mb={MEMORY_MIB}"), "-print_final_stats=1".into()])
            .arg(format!("-artifact_prefix={}/{target}-", findings.display()))
            .stderr(File::create(&log).with_context(|| log.display().to_string())?)
            .status()
            .with_context(|| searcher.display().to_string())?;
        let said = std::fs::read_to_string(&log)?;
        Ok(Outcome { failed: !status.success(), tried: last(&said, "executed_units: "), edges: last(&said, "cov: ") })
    }
}

/// What a search came to.
struct Outcome {
    failed: bool,
    tried: String,
    edges: String,
}

/// The targets that have seeds.
fn names(seeds: &Path) -> Result<Vec<String>> {
    let entries = seeds.read_dir().with_context(|| seeds.display().to_string())?;
    let mut names: Vec<String> =
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect::<Result<_>>()?;
    names.sort();
    Ok(names)
}

/// The last number that libFuzzer printed behind a label.
fn last(said: &str, label: &str) -> String {
    let behind = said.rsplit_once(label).map_or("?", |(_, behind)| behind);
    behind.split_whitespace().next().unwrap_or("?").into()
}
