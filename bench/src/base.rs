//! Another commit to compare with: checked out into a worktree of its own, and built there.

use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use tools::artifacts;

/// Builds `commit` and returns the folder with what was built. A commit that was built before is not built again from scratch.
pub fn build(commit: &str) -> Result<PathBuf> {
    let source = artifacts::source();
    let hash = revision(source, commit)?;
    let tree = artifacts::build().join("base").join(&hash);
    if !tree.exists() {
        run(Command::new("git").current_dir(source).args(["worktree", "prune"]))?;
        run(Command::new("git").current_dir(source).args(["worktree", "add", "--detach"]).arg(&tree).arg(&hash))?;
    }
    eprintln!("bench: building {commit} in {}", tree.display());
    // What this process was told about its own build does not concern the other one.
    run(Command::new("make").arg("-C").arg(&tree).arg("build").env_remove("CAPOS_BUILD").env_remove("MAKEFLAGS"))?;
    Ok(tree.join("build"))
}

fn revision(source: &Path, commit: &str) -> Result<String> {
    let mut git = Command::new("git");
    let output =
        git.current_dir(source).args(["rev-parse", "--verify", "--short=12"]).arg(format!("{commit}^{{commit}}"));
    let output = output.output().context("git does not start")?;
    ensure!(output.status.success(), "{commit:?} is no commit");
    Ok(String::from_utf8(output.stdout)?.trim().into())
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{command:?}"))?;
    ensure!(status.success(), "{command:?} failed: {status}");
    Ok(())
}
