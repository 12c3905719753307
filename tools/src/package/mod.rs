//! The boot package: manifest, init and the program files that the manifest names, in one file (`capos_abi::package`).

mod layout;
mod strip;

pub use layout::{Entry, read, write};
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

/// A program of which the package holds another build than the file `<programs>/<name>`.
pub fn stale_program(package: &[u8], programs: &Path) -> Option<String> {
    let is_stale = |name: &str, content: &[u8]| {
        let built = std::fs::read(programs.join(name)).ok().and_then(|file| strip(file).ok());
        built.is_some_and(|built| built != content)
    };
    read(package).find(|(name, content)| is_stale(name, content)).map(|(name, _)| name.to_owned())
}

#[cfg(test)]
mod test {
    use super::*;

    /// An ELF file of the host is as good as any: this test itself.
    #[test]
    fn a_package_of_old_programs_is_known() {
        let programs = std::env::temp_dir().join(format!("capos-programs-{}", std::process::id()));
        std::fs::create_dir_all(&programs).unwrap();
        let mut file = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let entries = [
            Entry { name: MANIFEST.into(), content: vec![1] },
            Entry { name: INIT.into(), content: strip(file.clone()).unwrap() },
        ];
        let package = write(&entries);
        assert_eq!(stale_program(&package, &programs), None, "there is nothing to compare with");
        std::fs::write(programs.join(INIT), &file).unwrap();
        assert_eq!(stale_program(&package, &programs), None);
        // The program's entry point, in its header.
        file[24] ^= 1;
        std::fs::write(programs.join(INIT), &file).unwrap();
        assert_eq!(stale_program(&package, &programs).as_deref(), Some(INIT));
        std::fs::remove_dir_all(&programs).unwrap();
    }
}
