//! The results as a table for people, in Markdown.

use crate::results::{Measured, Results};
use crate::rows;
use anyhow::{Context, Result};
use std::path::Path;

/// Around the part of a page that is written by the tool.
const MARKS: [&str; 2] = ["<!-- results -->\n", "<!-- end of results -->\n"];

/// Draws the table.
pub fn draw(results: &Results) -> String {
    let mut table = String::from("| row | capOS | goal | Linux | ratio | unit | verified |\n");
    table += "|---|---:|---:|---:|---:|---|---|\n";
    results.rows.iter().for_each(|row| table.push_str(&line(row)));
    let linux = results.machine.linux.as_deref().unwrap_or("without Linux");
    table + &format!("\nCommit {}, {}, {linux}.\n", results.machine.commit, results.machine.emulator)
}

/// Draws what the rows are.
pub fn legend() -> String {
    let mut table = String::from("| row | what | on Linux |\n|---|---|---|\n");
    rows::ROWS.iter().for_each(|row| table += &format!("| `{}` | {} | {} |\n", row.name, row.what, row.linux));
    table
}

/// Replaces the tool's part of the page at `path`.
pub fn put_into(path: &Path, text: &str) -> Result<()> {
    let page = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let parts = page.split_once(MARKS[0]).and_then(|(head, rest)| Some((head, rest.split_once(MARKS[1])?.1)));
    let (head, tail) = parts.with_context(|| format!("{} has no place for results", path.display()))?;
    std::fs::write(path, [head, MARKS[0], "\n", text, "\n", MARKS[1], tail].concat())?;
    Ok(())
}

fn line(row: &Measured) -> String {
    let optional = |value: Option<f64>| value.map(number).unwrap_or_default();
    let verified = if row.verified { "yes" } else { "**no**" };
    let goal = optional(rows::find(&row.name).and_then(|row| row.goal));
    let (linux, ratio) = (optional(row.linux), row.ratio.map(|ratio| format!("{ratio:.3}")).unwrap_or_default());
    format!("| `{}` | {} | {goal} | {linux} | {ratio} | {} | {verified} |\n", row.name, number(row.capos), row.unit)
}

/// A number with groups of three digits; a small one with two decimal places.
pub fn number(value: f64) -> String {
    if value < 10.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([1.0, 999.4, 1000.0, 1234567.0].map(number), ["1.00", "999", "1,000", "1,234,567"]);
    }
}
