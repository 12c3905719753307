//! The boot package: manifest, init and the program files that the manifest names, in one file (`capos_abi::package`).

mod layout;
mod strip;

pub use layout::{Entry, write};
pub use strip::strip;

use crate::manifest::{self, System};
use anyhow::{Context, Result};
use std::path::Path;

/// Names of the first two entries.
const MANIFEST: &str = "manifest";
const INIT: &str = "init";

/// The boot package of a checked system, with the files `<programs>/<name>`.
pub fn build(system: &System, programs: &Path) -> Result<Vec<u8>> {
    let mut entries = vec![Entry { name: MANIFEST.into(), content: manifest::encode(system) }];
    for name in std::iter::once(INIT).chain(system.binaries()) {
        let path = programs.join(name);
        let file = std::fs::read(&path).with_context(|| path.display().to_string())?;
        let content = strip(file).with_context(|| format!("{} is not a program", path.display()))?;
        entries.push(Entry { name: name.into(), content });
    }
    Ok(write(&entries))
}
