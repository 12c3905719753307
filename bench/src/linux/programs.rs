//! The programs of the Linux guest, compiled from `bench/linux` by the host's C compiler, static.

use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use tools::artifacts;

/// A program of the guest.
pub struct Program {
    /// Name in the guest.
    pub name: &'static str,
    /// Where it is.
    pub path: PathBuf,
}

/// How a program is made.
struct Recipe {
    name: &'static str,
    sources: &'static [&'static str],
    flags: &'static [&'static str],
}

/// The measuring program, which Linux starts as `/init`, and the smallest program that ends at once.
const RECIPES: [Recipe; 2] = [
    Recipe {
        name: "init",
        sources: &["main.c", "ring.c", "pipe.c", "wake.c", "memory.c", "life.c", "machine.c", "parallel.c", "busy.c"],
        flags: &["-O2", "-static", "-pthread", "-Wall", "-Wextra", "-Werror"],
    },
    Recipe {
        name: "null",
        sources: &["null.c"],
        flags: &["-Os", "-static", "-nostdlib", "-fno-asynchronous-unwind-tables", "-Wl,--build-id=none"],
    },
];

/// Compiles the programs into `folder`.
pub fn build(folder: &Path) -> Result<Vec<Program>> {
    RECIPES.iter().map(|recipe| recipe.build(folder)).collect()
}

impl Recipe {
    fn build(&self, folder: &Path) -> Result<Program> {
        let path = folder.join(self.name);
        let mut compiler = Command::new("cc");
        compiler.current_dir(artifacts::source().join("bench/linux")).args(self.flags).arg("-o").arg(&path);
        let status = compiler.args(self.sources).status().context("there is no C compiler `cc`")?;
        ensure!(status.success(), "the C compiler fails: static programs need libc6-dev\n  {compiler:?}");
        Ok(Program { name: self.name, path })
    }
}
