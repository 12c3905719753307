//! How much a test does, little in `make test`, much in `make soak`; and the same once more, by its seed.

use std::path::Path;
use tools::manifest::{self, Cue};
use tools::{artifacts, package};

/// `quick`, or `soak` if the variable `CAPOS_SOAK` is set.
pub fn choose<T>(quick: T, soak: T) -> T {
    if std::env::var_os("CAPOS_SOAK").is_some() { soak } else { quick }
}

/// The argument that gives a campaign the seed in the variable `CAPOS_SEED` again; empty if there is none.
pub fn seed() -> String {
    std::env::var("CAPOS_SEED").map(|seed| format!("seed={seed}")).unwrap_or_default()
}

/// Packs `tests/manifests/<name>.cue` with other arguments for its program `name` into the file `to`.
pub(crate) fn pack_with_arguments(name: &str, arguments: &[&str], to: &Path) -> anyhow::Result<()> {
    let description = artifacts::source().join(format!("tests/manifests/{name}.cue"));
    let is_program = |name: &str| artifacts::program(name).is_file();
    let mut system = manifest::compile(&Cue::find()?, &description, &is_program)
        .map_err(|refusals| anyhow::anyhow!("{} is refused:\n{refusals}", description.display()))?;
    for program in system.programs.iter_mut().filter(|program| program.name == name) {
        program.arguments = arguments.iter().map(|argument| argument.to_string()).collect();
    }
    Ok(std::fs::write(to, package::build(&system, &artifacts::programs())?)?)
}
