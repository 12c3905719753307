//! The Linux guest: Debian's stock kernel and an initramfs with the programs of `bench/linux`, on the same machine.
//!
//! It is made at the first use. Its first program measures, says the same lines as a guest of capOS, and ends the machine alike.

mod archive;
mod kernel;
mod programs;

use crate::line::{self, Figure};
use crate::machine::{self, Kind};
use anyhow::Result;
use std::path::{Path, PathBuf};
use tools::artifacts;

/// Without mitigations, which capOS does not have either. A panic resets the machine, which counts as a failure.
const COMMAND_LINE: &str = "console=ttyS0 quiet mitigations=off panic=-1";

/// A Linux guest, ready to boot.
pub struct Linux {
    kernel: PathBuf,
    initramfs: PathBuf,
}

impl Linux {
    /// Makes what is missing of the guest: takes `kernel`, or gets the distribution's, and builds the programs.
    pub fn prepare(kernel: Option<&Path>) -> Result<Linux> {
        let folder = artifacts::build().join("linux");
        std::fs::create_dir_all(&folder)?;
        let kernel = match kernel {
            Some(kernel) => kernel.into(),
            None => kernel::get(&folder)?,
        };
        let initramfs = folder.join("initramfs");
        std::fs::write(&initramfs, archive::initramfs(&programs::build(&folder)?)?)?;
        Ok(Linux { kernel, initramfs })
    }

    /// What was booted, for the record.
    pub fn version(&self) -> String {
        let name = self.kernel.file_name().unwrap_or_default().to_string_lossy();
        format!("Linux {}", name.trim_start_matches("vmlinuz-"))
    }

    /// Runs it on one kind of machine.
    pub fn run(&self, kind: Kind) -> Result<Vec<Figure>> {
        let machine = kind.machine().kernel(&self.kernel).package(&self.initramfs).command_line(COMMAND_LINE);
        Ok(line::figures(&machine::run("Linux", machine)?))
    }
}
