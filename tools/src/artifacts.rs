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
    build().join("packages").join(format!("{name}.package"))
}

/// `path` if something is there.
pub fn require(path: PathBuf) -> Result<PathBuf, Missing> {
    if path.exists() { Ok(path) } else { Err(Missing { path }) }
}

/// Something that the build makes is not there.
#[derive(Debug)]
pub struct Missing {
    path: PathBuf,
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{} is missing: run `make build` first", self.path.display())
    }
}

impl std::error::Error for Missing {}
