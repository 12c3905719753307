//! `capos check`: what must stay true of the tree.

use anyhow::{Result, bail};
use clap::Args;
use std::process::ExitCode;
use tools::{artifacts, check};

/// Checks rules of the tree that no compiler knows.
#[derive(Args)]
pub struct Check {
    /// Which checks to run; all of them if none is named.
    names: Vec<String>,
    /// Renews the tables that the checks compare with.
    #[arg(long)]
    write: bool,
}

impl Check {
    /// Runs the checks and prints what they found.
    pub fn execute(&self) -> Result<ExitCode> {
        if let Some(unknown) = self.names.iter().find(|n| check::CHECKS.iter().all(|c| c.name != **n)) {
            let known: Vec<&str> = check::CHECKS.iter().map(|c| c.name).collect();
            bail!("there is no check `{unknown}`; there are {}", known.join(", "));
        }
        let chosen = check::CHECKS.iter().filter(|c| self.names.is_empty() || self.names.iter().any(|n| n == c.name));
        let mut failed = false;
        for check in chosen {
            let violations = (check.run)(artifacts::source(), self.write)?;
            println!("check {:7} {}: {}", check.name, if violations.is_empty() { "ok" } else { "FAILED" }, check.rule);
            violations.iter().for_each(|violation| println!("    {violation}"));
            failed |= !violations.is_empty();
        }
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}
