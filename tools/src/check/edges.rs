//! The crate edges of the map: who may depend on whom inside the tree.

use super::Violations;
use anyhow::{Context, Result};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// Rooms of the tree and the rooms they may depend on. A crate belongs to the innermost room whose folder holds it.
const ROOMS: &[(&str, &[&str])] = &[
    ("schema/codegen", &[]),
    ("schema", &["schema/codegen"]),
    ("capos-abi", &["schema/codegen"]),
    ("kernel/lend", &[]),
    ("kernel/core", &["kernel/lend", "capos-abi"]),
    ("kernel", &["kernel/core", "capos-abi"]),
    ("boot", &["capos-abi"]),
    ("capos-queue", &[]),
    ("capos-rt", &["capos-abi", "schema"]),
    ("capos-service", &["capos-rt", "capos-queue", "schema", "capos-abi"]),
    ("drivers/kit", &["capos-rt"]),
    ("drivers", &["drivers/kit", "capos-service", "schema"]),
    ("init", PROGRAM),
    ("services", PROGRAM),
    ("demos", PROGRAM),
    ("tests/guests/verdict", PROGRAM),
    ("tests/guests/campaign", &["capos-service", "schema", "capos-rt", "capos-abi"]),
    ("tests/guests", GUEST),
    ("bench/guests", GUEST),
    ("fuzz", FUZZ),
    ("races", &["capos-abi", "capos-rt", "kernel/core"]),
    ("tools", HOST),
    ("tests", &["capos-abi", "schema", "tools"]),
    ("bench", &["capos-abi", "schema", "tools"]),
];

const PROGRAM: &[&str] = &["capos-service", "schema"];
/// Hostile guests and guest benchmarks write raw ring entries.
const GUEST: &[&str] =
    &["capos-service", "schema", "capos-rt", "capos-abi", "tests/guests/campaign", "tests/guests/verdict"];
/// Whoever parses what others wrote.
const FUZZ: &[&str] = &["capos-abi", "capos-rt", "capos-service", "init", "kernel/core", "schema", "services", "tools"];
const HOST: &[&str] = &["capos-abi", "schema", "schema/codegen"];

/// Checks the dependencies of every crate in the workspace, those of its build script and tests included.
pub fn check(root: &Path) -> Result<Violations> {
    let output = Command::new("cargo")
        .args(["metadata", "--no-deps", "--offline", "--format-version=1"])
        .current_dir(root)
        .output()
        .context("cannot run cargo metadata")?;
    anyhow::ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    let mut violations = Violations::new();
    for package in packages {
        let folder = folder(root, package["manifest_path"].as_str().unwrap_or_default());
        let Some((room, allowed)) = room_of(&folder) else {
            violations.push(format!("{folder}: the map has no room for this crate"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let Some(path) = dependency["path"].as_str() else { continue };
            let target = self::folder(root, &format!("{path}/Cargo.toml"));
            let target_room = room_of(&target).map_or(target.as_str(), |(room, _)| room);
            if target != folder && !allowed.contains(&target_room) {
                violations.push(format!("{folder} ({room}) must not depend on {target}"));
            }
        }
    }
    Ok(violations)
}

fn folder(root: &Path, manifest: &str) -> String {
    let path = Path::new(manifest).parent().unwrap_or(root);
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

fn room_of(folder: &str) -> Option<(&'static str, &'static [&'static str])> {
    let holds = |room: &str| folder == room || folder.strip_prefix(room).is_some_and(|rest| rest.starts_with('/'));
    let mut fitting: Vec<_> = ROOMS.iter().filter(|(room, _)| holds(room)).collect();
    fitting.sort_by_key(|(room, _)| std::cmp::Reverse(room.len()));
    fitting.first().map(|(room, allowed)| (*room, *allowed))
}

#[cfg(test)]
mod test {
    use super::room_of;

    #[test]
    fn the_longest_room_holds_a_crate() {
        assert_eq!(room_of("tests/guests/hostile-ring").map(|(room, _)| room), Some("tests/guests"));
        assert_eq!(room_of("kernel/core").map(|(room, _)| room), Some("kernel/core"));
        assert_eq!(room_of("kernelish"), None);
    }
}
