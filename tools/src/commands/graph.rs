//! `capos graph`: prints who gives what to whom, as a table in Markdown. The log, which everybody has, is left out.

use anyhow::Result;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use tools::artifacts;
use tools::manifest::{self, Cue};

/// Arguments of `capos graph`.
#[derive(Args)]
pub struct Graph {
    /// Description to draw up.
    #[arg(default_value_os_t = artifacts::source().join("system.cue"))]
    description: PathBuf,
}

impl Graph {
    /// Prints the table.
    pub fn execute(self) -> Result<ExitCode> {
        let system = manifest::compile(&Cue::find()?, &self.description, &|_| true)?;
        print!("{}", manifest::graph(&system));
        Ok(ExitCode::SUCCESS)
    }
}
