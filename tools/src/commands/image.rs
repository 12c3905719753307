//! `capos image`: a disk image and an ISO that boot the system under UEFI, and with a stock Limine under BIOS too.

use anyhow::{Context, Result};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tools::artifacts;
use tools::image::{self, Contents, Limine};

/// Arguments of `capos image`.
#[derive(Args)]
pub struct Image {
    /// Boot package: a path, or the name of one that `make build` makes.
    #[arg(long, default_value = artifacts::SYSTEM)]
    package: String,
    /// The kernel's command line.
    #[arg(long, default_value = "")]
    command_line: String,
    /// Folder with the binaries of a stock Limine, to boot by it instead of capOS's own loader.
    #[arg(long)]
    limine: Option<PathBuf>,
    /// Folder that the images go to.
    #[arg(long, default_value_os_t = artifacts::images())]
    out: PathBuf,
}

impl Image {
    /// Makes both images.
    pub fn execute(self) -> Result<ExitCode> {
        let kernel = read(artifacts::kernel())?;
        let package = read(artifacts::package(&self.package))?;
        let contents = match &self.limine {
            Some(folder) => Contents::with_limine(Limine::read(folder)?, kernel, package, &self.command_line),
            None => Contents::new(read(artifacts::loader())?, kernel, package, &self.command_line),
        };
        std::fs::create_dir_all(&self.out)?;
        for (name, bytes) in [("capos.img", image::disk(&contents)?), ("capos.iso", image::iso(&contents)?)] {
            self.write(&self.out.join(name), &bytes, &contents)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn write(&self, path: &Path, bytes: &[u8], contents: &Contents) -> Result<()> {
        std::fs::write(path, bytes).with_context(|| path.display().to_string())?;
        let bios = contents.limine().map(|limine| limine.install_for_bios(path)).transpose()?;
        let note = match bios {
            Some(false) => ", under BIOS after `limine bios-install`",
            Some(true) => ", under BIOS too",
            None => "",
        };
        println!("{}: {} MiB, boots under UEFI{note}", path.display(), bytes.len() >> 20);
        Ok(())
    }
}

fn read(path: PathBuf) -> Result<Vec<u8>> {
    let path = artifacts::require(path)?;
    std::fs::read(&path).with_context(|| path.display().to_string())
}
