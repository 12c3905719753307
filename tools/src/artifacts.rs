//! Where the build puts what it makes. No other file knows these paths.
//!
//! ```text
//! build/kernel                   the kernel
//! build/boot.efi                 the UEFI loader
//! build/programs/<name>          a user program
//! build/packages/<name>.package  the boot package of system.cue ("system") or of tests/manifests/<name>.cue
//! build/images/                  disk image and ISO of the system
//! build/logs/                    what the machines of the tests said
//! ```
//! The variable `CAPOS_BUILD` names another folder than `build/`.

use crate::package;
use std::path::{Path, PathBuf};

/// Name of the package that `make run` boots.
pub const SYSTEM: &str = "system";

/// The folder that holds the sources.
pub fn source() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in a folder of the workspace")
}

/// The folder that holds everything built.
pub fn build() -> PathBuf {
    std::env::var_os("CAPOS_BUILD").map_or_else(|| source().join("build"), PathBuf::from)
}

/// The `cue` command that the set-up script builds from `tools/cue`, always below the sources.
pub fn cue() -> PathBuf {
    source().join("build/bin/cue")
}

/// The Python packages that the set-up script installs for tests, always below the sources.
pub fn python() -> PathBuf {
    source().join("build/python")
}

/// The kernel.
pub fn kernel() -> PathBuf {
    build().join("kernel")
}

/// The UEFI loader.
pub fn loader() -> PathBuf {
    build().join("boot.efi")
}

/// The folder of the images.
pub fn images() -> PathBuf {
    build().join("images")
}

/// The folder of the user programs.
pub fn programs() -> PathBuf {
    build().join("programs")
}

/// The user program `name`.
pub fn program(name: &str) -> PathBuf {
    programs().join(name)
}

/// The boot package `name`; a path that contains a `/` is taken as it is.
pub fn package(name: &str) -> PathBuf {
    if name.contains('/') {
        return PathBuf::from(name);
    }
    packages().join(format!("{name}.package"))
}

/// The folder of the boot packages.
fn packages() -> PathBuf {
    build().join("packages")
}

/// `path` if something is there that can be booted: a boot package of the build holds the programs as they were built last.
pub fn require(path: PathBuf) -> Result<PathBuf, Unfit> {
    if !path.exists() {
        return Err(Unfit::Missing(path));
    }
    let package = path.starts_with(packages()).then(|| std::fs::read(&path).unwrap_or_default());
    match package.and_then(|package| package::stale_program(&package, &programs())) {
        Some(program) => Err(Unfit::Stale(path, program)),
        None => Ok(path),
    }
}

/// Something that the build makes cannot be used.
#[derive(Debug)]
pub enum Unfit {
    /// It is not there.
    Missing(PathBuf),
    /// It holds another build of this program than the one that is there now.
    Stale(PathBuf, String),
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Unfit::Missing(path) => write!(f, "{} is missing: run `make build` first", path.display()),
            Unfit::Stale(path, program) => {
                write!(f, "{} holds an old build of {program}: run `make build` first", path.display())
            }
        }
    }
}

impl std::error::Error for Unfit {}
