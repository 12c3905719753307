//! Tables in the tree that a check compares with: one entry a line, `key = value  # reason`.

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// Reason of an entry that nobody has explained yet; a check refuses it.
pub const UNEXPLAINED: &str = "?";

/// An entry's value and the reason it stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What was found.
    pub value: String,
    /// Why that is right.
    pub reason: String,
}

/// A table, by key.
pub type Table = BTreeMap<String, Entry>;

/// Reads a table; a missing file is an empty one.
pub fn read(path: &Path) -> Result<Table> {
    if !path.exists() {
        return Ok(Table::new());
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let lines = text.lines().filter(|l| !l.trim().is_empty() && !l.starts_with('#'));
    lines.map(|line| parse_line(line).with_context(|| format!("{}: {line}", path.display()))).collect()
}

fn parse_line(line: &str) -> Result<(String, Entry)> {
    let (key, rest) = line.split_once(" = ").context("an entry reads `key = value  # reason`")?;
    let (value, reason) = rest.split_once("  # ").unwrap_or((rest, UNEXPLAINED));
    Ok((key.trim().to_owned(), Entry { value: value.trim().to_owned(), reason: reason.trim().to_owned() }))
}

/// Writes what was found under a heading, keeping the reasons of entries that stay.
pub fn write(path: &Path, heading: &str, found: &BTreeMap<String, String>, old: &Table) -> Result<()> {
    let mut text = String::new();
    heading.lines().for_each(|line| writeln!(text, "# {line}").expect("string"));
    for (key, value) in found {
        let reason = old.get(key).map_or(UNEXPLAINED, |e| &e.reason);
        writeln!(text, "{key} = {value}  # {reason}").expect("string");
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// The differences between what was found and what the table says, and entries without a reason.
pub fn differences(name: &str, found: &BTreeMap<String, String>, table: &Table) -> Vec<String> {
    let mut all = Vec::new();
    for (key, value) in found {
        match table.get(key) {
            None => all.push(format!("{key}: {value} found, but {name} does not list it")),
            Some(entry) if entry.value != *value => {
                all.push(format!("{key}: {value} found, but {name} lists {}", entry.value));
            }
            Some(entry) if entry.reason == UNEXPLAINED => all.push(format!("{key}: {name} gives no reason for it")),
            Some(_) => {}
        }
    }
    let gone = table.keys().filter(|key| !found.contains_key(*key));
    all.extend(gone.map(|key| format!("{key}: {name} lists it, but it is gone")));
    all
}
