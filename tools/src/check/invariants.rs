//! The invariants of the book: each names what shows it, and that exists.
//!
//! `docs/src/concepts.md` has a table for every concept of the kernel. The last cell of a row names tests, or whole files of system
//! tests, in code marks.

use super::Violations;
use super::source::rust_files;
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::path::Path;

const BOOK: &str = "docs/src/concepts.md";
/// Where tests lie that a row may name.
const TESTS: [&str; 4] = ["kernel/core/src", "capos-queue", "races", CASES];
/// Where system tests lie, which a row may name by their file.
const CASES: &str = "tests/cases";

/// Compares the tables with the tests of the tree.
pub fn check(root: &Path) -> Result<Violations> {
    let book = std::fs::read_to_string(root.join(BOOK)).with_context(|| format!("cannot read {BOOK}"))?;
    let mut known = BTreeSet::new();
    for folder in TESTS {
        known.extend(tests_below(&root.join(folder))?);
    }
    for path in rust_files(&root.join(CASES))? {
        known.extend(path.file_stem().map(|stem| stem.display().to_string()));
    }
    Ok(violations(&book, &known))
}

/// The names of the tests in the files of a folder.
pub(super) fn tests_below(folder: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for path in rust_files(folder)? {
        names.extend(tests_in(&std::fs::read_to_string(&path)?));
    }
    Ok(names)
}

fn violations(book: &str, known: &BTreeSet<String>) -> Violations {
    let mut violations = Violations::new();
    for (number, shown_by) in book.lines().filter_map(row) {
        let unknown = code_marks(shown_by).filter(|name| !known.contains(*name));
        violations.extend(unknown.map(|name| format!("{BOOK}: {number} names `{name}`, and there is no such test")));
        if shown_by.trim().is_empty() {
            violations.push(format!("{BOOK}: nothing shows {number}"));
        }
    }
    violations
}

/// Number and last cell of a row of an invariant: a letter and digits stand in its first cell.
fn row(line: &str) -> Option<(&str, &str)> {
    let cells: Vec<_> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').collect();
    let [number, .., last] = cells[..] else { return None };
    let number = number.trim();
    let (letter, digits) = number.split_at_checked(1)?;
    let is_number = letter.chars().all(|c| c.is_ascii_uppercase()) && digits.parse::<u32>().is_ok();
    is_number.then_some((number, last))
}

/// What stands between code marks.
fn code_marks(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Names of the functions that follow a line `#[test]`, those in macros included.
fn tests_in(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_test = false;
    for line in source.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("fn ").filter(|_| is_test) {
            names.extend(rest.split('(').next().map(str::to_owned));
            is_test = false;
        }
        is_test |= line == "#[test]";
    }
    names
}

#[cfg(test)]
mod test {
    use super::*;

    const SOURCE: &str = "#[test]\nfn one() {\nfn helper() {\nproptest! {\n    #[test]\n    fn two(x in 0..3) {\n";

    #[test]
    fn only_tests_are_known() {
        assert_eq!(tests_in(SOURCE), ["one", "two"]);
    }

    #[test]
    fn rows_that_name_what_is_not_there_are_found() {
        let known = tests_in(SOURCE).into_iter().collect();
        let book =
            "| # | invariant | shown by |\n| C1 | of `code` | `one`, `two` |\n| C2 | x | `three` |\n| C3 | y | |\n";
        let found = violations(book, &known);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("C2") && found[0].contains("`three`") && found[1].contains("C3"));
    }
}
