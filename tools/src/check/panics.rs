//! The panic inventory: every place in the linked kernel that can call into `core::panicking`, with the reason why it stays.
//!
//! The kernel's machine code is searched for calls of panic functions; each call's address is traced back to source files by the
//! debug information, inlined frames included, and listed for the innermost file of ours. How often a kind occurs in a file depends on
//! what the compiler inlines, so it is not counted. The table is `docs/tables/panics.txt`.

use super::{Violations, table};
use crate::artifacts;
use anyhow::{Context, Result};
use object::{Object, ObjectSection, ObjectSymbol};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::path::Path;

/// The table, from the root of the tree.
pub const TABLE: &str = "docs/tables/panics.txt";

const HEADING: &str = "Calls of panic functions in the linked kernel, by source file and kind.
Renewed by `capos check panics --write`; the reasons are written by hand.";

/// Operation codes of `call` and `jmp` with a 32-bit displacement.
const CALL: u8 = 0xe8;
const JUMP: u8 = 0xe9;
/// Conditional jumps with a 32-bit displacement have two bytes, of which this is the first.
const ESCAPE: u8 = 0x0f;
const CONDITIONAL_JUMPS: RangeInclusive<u8> = 0x80..=0x8f;
const DISPLACEMENT_BYTES: usize = 4;

/// Compares the built kernel with the table.
pub fn check(root: &Path, write: bool) -> Result<Violations> {
    let kernel = artifacts::require(artifacts::kernel())?;
    let found = sites(&kernel)?;
    let path = root.join(TABLE);
    let old = table::read(&path)?;
    if write {
        table::write(&path, HEADING, &found, &old)?;
    }
    Ok(table::differences(TABLE, &found, &table::read(&path)?))
}

/// The panic calls, by `file: kind`.
fn sites(kernel: &Path) -> Result<BTreeMap<String, String>> {
    let bytes = std::fs::read(kernel).with_context(|| format!("cannot read {}", kernel.display()))?;
    let file = object::File::parse(&*bytes)?;
    let panics: HashMap<u64, String> = file
        .symbols()
        .filter_map(|s| Some((s.address(), panic_kind(&format!("{:#}", rustc_demangle::demangle(s.name().ok()?)))?)))
        .collect();
    let loader = addr2line::Loader::new(kernel).map_err(|e| anyhow::anyhow!("{}: {e}", kernel.display()))?;
    let mut found = BTreeSet::new();
    for section in file.sections().filter(|s| s.kind() == object::SectionKind::Text) {
        for (address, target) in branches(section.address(), section.data()?) {
            if let Some(kind) = panics.get(&target) {
                found.insert(format!("{}: {kind}", source_of(&loader, address)));
            }
        }
    }
    Ok(found.into_iter().map(|key| (key, "reachable".to_owned())).collect())
}

/// Where a `call`, `jmp` or conditional jump with a 32-bit displacement could stand, and where it would lead. Bytes in the middle of
/// other instructions pass for one now and then; that such a chance hit leads to the first byte of a panic function does not happen.
fn branches(start: u64, code: &[u8]) -> impl Iterator<Item = (u64, u64)> {
    code.windows(1 + DISPLACEMENT_BYTES).enumerate().filter(move |(at, window)| is_branch(code, *at, window[0])).map(
        move |(at, window)| {
            let displacement = i32::from_le_bytes(window[1..].try_into().expect("four bytes"));
            let address = start + at as u64;
            (address, address.wrapping_add(window.len() as u64).wrapping_add_signed(i64::from(displacement)))
        },
    )
}

/// Whether the byte before a displacement ends the operation code of a branch.
fn is_branch(code: &[u8], at: usize, last: u8) -> bool {
    let escaped = at.checked_sub(1).is_some_and(|before| code[before] == ESCAPE);
    [CALL, JUMP].contains(&last) || escaped && CONDITIONAL_JUMPS.contains(&last)
}

/// What a panic function complains about; `None` for other functions.
fn panic_kind(function: &str) -> Option<String> {
    let kind = function.strip_prefix("core::panicking::").or_else(|| {
        let inner = ["core::option::", "core::result::", "core::slice::", "core::str::", "core::cell::"];
        inner
            .iter()
            .any(|p| function.starts_with(p))
            .then_some(function)
            .filter(|f| f.contains("fail") || f.contains("panic"))
    })?;
    Some(kind.to_owned())
}

/// The innermost file of the tree, or of a dependency, that an instruction was compiled from.
fn source_of(loader: &addr2line::Loader, address: u64) -> String {
    let mut files = Vec::new();
    if let Ok(mut frames) = loader.find_frames(address) {
        while let Ok(Some(frame)) = frames.next() {
            files.extend(frame.location.and_then(|l| l.file).map(str::to_owned));
        }
    }
    let ours = files.iter().find_map(|f| Some(format!("kernel/{}", f.rsplit_once("kernel/")?.1)));
    ours.or_else(|| files.iter().find_map(|f| dependency(f))).unwrap_or_else(|| "core library".to_owned())
}

/// `crate-1.2.3/src/file.rs` of a dependency's source path.
fn dependency(path: &str) -> Option<String> {
    let (_, rest) = path.split_once("/registry/src/")?;
    Some(rest.split_once('/')?.1.to_owned())
}

#[cfg(test)]
mod test {
    use super::branches;

    #[test]
    fn calls_and_jumps_of_every_kind_are_found() {
        let code = [0xe8, 3, 0, 0, 0, 0x0f, 0x87, 0xfa, 0xff, 0xff, 0xff, 0x90, 0x87, 0, 0, 0, 0];
        let found: Vec<_> = branches(0x1000, &code).collect();
        assert_eq!(found, [(0x1000, 0x1008), (0x1006, 0x1005)]);
    }
}
