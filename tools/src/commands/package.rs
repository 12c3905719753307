//! `capos package`: compiles a system description and packs it with its programs into a boot package.

use anyhow::{Context, Result};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use tools::manifest::{self, Cue};
use tools::{artifacts, package};

/// Arguments of `capos package`.
#[derive(Args)]
pub struct Package {
    /// Descriptions to compile.
    #[arg(default_values_os_t = [artifacts::source().join("system.cue")])]
    descriptions: Vec<PathBuf>,
    /// Folder that holds the program files.
    #[arg(long, default_value_os_t = artifacts::programs())]
    programs: PathBuf,
    /// Where the package goes, if there is one description; else each goes where the build keeps packages.
    #[arg(long)]
    out: Option<PathBuf>,
}

impl Package {
    /// Compiles and packs all of them.
    pub fn execute(self) -> Result<ExitCode> {
        anyhow::ensure!(self.out.is_none() || self.descriptions.len() == 1, "--out takes one description");
        let cue = Cue::find()?;
        for description in &self.descriptions {
            let stem = description.file_stem().and_then(|stem| stem.to_str()).context("a description has a name")?;
            let out = self.out.clone().unwrap_or_else(|| artifacts::package(stem));
            let is_program = |name: &str| self.programs.join(name).is_file();
            let system = manifest::compile(&cue, description, &is_program)
                .map_err(|refusals| anyhow::anyhow!("{} is refused:\n{refusals}", description.display()))?;
            write(&out, &package::build(&system, &self.programs)?)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Leaves a package that is the same alone, so that nothing behind it is made again.
fn write(path: &PathBuf, package: &[u8]) -> Result<()> {
    if std::fs::read(path).is_ok_and(|old| old == package) {
        return Ok(());
    }
    let folder = path.parent().context("a package lies in a folder")?;
    std::fs::create_dir_all(folder)?;
    std::fs::write(path, package).with_context(|| path.display().to_string())
}
