//! A stock Limine, whose binaries somebody has: what of it goes into the image.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of Limine's binary release, or one with its files.
#[derive(Clone)]
pub struct Limine {
    folder: PathBuf,
    uefi: Vec<u8>,
    bios: Option<Vec<u8>>,
    bios_cd: Option<Vec<u8>>,
}

impl Limine {
    /// Reads `BOOTX64.EFI` and, for BIOS, `limine-bios.sys` and `limine-bios-cd.bin` from `folder`.
    pub fn read(folder: &Path) -> Result<Limine> {
        let uefi = folder.join("BOOTX64.EFI");
        Ok(Limine {
            folder: folder.into(),
            uefi: std::fs::read(&uefi).with_context(|| uefi.display().to_string())?,
            bios: std::fs::read(folder.join("limine-bios.sys")).ok(),
            bios_cd: std::fs::read(folder.join("limine-bios-cd.bin")).ok(),
        })
    }

    /// What boots a CD under BIOS.
    pub fn bios_cd(&self) -> Option<&[u8]> {
        self.bios_cd.as_deref()
    }

    /// Its files in the image, with paths.
    pub fn files(&self, command_line: &str) -> Vec<(String, Vec<u8>)> {
        let mut files = vec![
            (super::contents::BOOT_FILE.into(), self.uefi.clone()),
            ("limine.conf".into(), configuration(command_line).into_bytes()),
        ];
        files.extend(self.bios.clone().map(|bios| ("limine-bios.sys".into(), bios)));
        files
    }

    /// Makes a disk bootable under BIOS with Limine's own tool, if `make` was run in its folder. Whether that was so.
    pub fn install_for_bios(&self, disk: &Path) -> Result<bool> {
        let tool = self.folder.join("limine");
        if !tool.is_file() {
            return Ok(false);
        }
        let status = Command::new(&tool).args(["bios-install", "--quiet"]).arg(disk).status()?;
        anyhow::ensure!(status.success(), "{} bios-install: {status}", tool.display());
        Ok(true)
    }
}

/// `limine.conf`. Limine 8 calls the kernel `kernel_path`, later ones `path`.
fn configuration(command_line: &str) -> String {
    format!(
        "timeout: 0\n\n/capOS\n    protocol: limine\n    path: boot():/{kernel}\n    kernel_path: boot():/{kernel}\n    \
         cmdline: {command_line}\n    module_path: boot():/{package}\n",
        kernel = super::contents::KERNEL,
        package = super::contents::PACKAGE,
    )
}
