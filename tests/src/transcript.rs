//! A console session as the book shows it, and whether the real system still behaves so.
//!
//! A page holds the session in a fenced block marked `console`. What a person types stands behind one of the
//! [`PROMPTS`]; passwords are not shown. `…` within a line stands for any text, a line `…` for any number of lines.

use crate::{Running, person::PASSWORD};
use std::path::Path;
use tools::artifacts;

/// How a line begins at whose end a person types something.
const PROMPTS: [&str; 6] = [
    "operator name: ",
    "new password (at least 8 characters): ",
    "repeat password: ",
    "login: ",
    "password: ",
    "capos> ",
];

/// The text that stands for anything.
const ANYTHING: &str = "…";

/// A session that a page shows.
pub struct Transcript {
    lines: Vec<String>,
}

impl Transcript {
    /// The first session of a page of the book, such as `start.md`.
    pub fn of_page(page: &str) -> Transcript {
        let path = artifacts::source().join("docs/src").join(Path::new(page));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Transcript::of_text(&text).unwrap_or_else(|| panic!("{} shows no console session", path.display()))
    }

    fn of_text(text: &str) -> Option<Transcript> {
        let (_, block) = text.split_once("```console\n")?;
        let lines = block.split_once("```")?.0.lines().map(|line| line.trim_end().to_string());
        Some(Transcript { lines: lines.collect() })
    }

    /// Types everything that the person types in this session.
    #[track_caller]
    pub fn play(&self, machine: &mut Running) {
        for (prompt, typed) in self.lines.iter().filter_map(|line| typed(line)) {
            machine.expect(prompt);
            let secret = prompt.contains("password");
            machine.send(&format!("{}\n", if secret { PASSWORD } else { typed }));
        }
    }

    /// Compares what the machine said with this session, from its first line on.
    pub fn compare(&self, said: &str) -> Result<(), String> {
        let said: Vec<&str> = said.lines().map(str::trim_end).collect();
        let first = self.lines.first().map_or("", String::as_str);
        let start = said.iter().position(|line| same(first, line)).ok_or(format!("nobody said {first:?}"))?;
        compare(&self.lines, &said[start..])
    }
}

/// The prompt of a line and what is typed there.
fn typed(line: &str) -> Option<(&'static str, &str)> {
    let prompt = PROMPTS.into_iter().find(|prompt| line.starts_with(prompt.trim_end()))?;
    Some((prompt, line.get(prompt.len()..).unwrap_or_default()))
}

fn compare(shown: &[String], said: &[&str]) -> Result<(), String> {
    let Some((line, rest)) = shown.split_first() else { return Ok(()) };
    if line == ANYTHING {
        let tails = (0..=said.len()).map(|skipped| compare(rest, &said[skipped..]));
        return tails.reduce(|best, next| best.or(next)).unwrap_or(Ok(()));
    }
    match said.split_first() {
        Some((heard, said)) if same(line, heard) => compare(rest, said),
        heard => {
            Err(format!("the page shows {line:?}, the machine said {:?}", heard.map_or("nothing", |heard| heard.0)))
        }
    }
}

/// Whether a line is as shown, `…` standing for any text.
fn same(shown: &str, said: &str) -> bool {
    let Some((before, after)) = shown.split_once(ANYTHING) else { return shown == said };
    let Some(said) = said.strip_prefix(before) else { return false };
    let ends = said.char_indices().map(|(index, _)| index).chain([said.len()]);
    ends.into_iter().any(|end| same(after, &said[end..]))
}

#[cfg(test)]
mod test {
    use super::*;

    const PAGE: &str =
        "# Start\n```console\nlogin: operator\npassword:\n…\ncapos> caps\n@clock  Clock  …\n```\nand so on\n";
    const SAID: &str = "booting\nlogin: operator\npassword: \nWelcome\n\ncapos> caps\n@clock  Clock  17 s\nmore\n";

    #[test]
    fn a_true_session_compares() {
        assert_eq!(Transcript::of_text(PAGE).unwrap().compare(SAID), Ok(()));
    }

    #[test]
    fn a_false_session_names_the_line() {
        let error = Transcript::of_text(PAGE).unwrap().compare(&SAID.replace("@clock  Clock", "@clock Clock"));
        assert!(error.unwrap_err().contains(r#"the page shows"#));
    }

    #[test]
    fn what_is_typed_stands_behind_a_prompt() {
        assert_eq!(typed("capos> call @clock.now"), Some(("capos> ", "call @clock.now")));
        assert_eq!(typed("password:"), Some(("password: ", "")));
        assert_eq!(typed("Welcome"), None);
    }
}
