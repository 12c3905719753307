//! Tab completion: commands, capabilities, their methods, and the fields of a method.
use schema::table::Interface;

use crate::commands;
use crate::held::Held;
use crate::signature::{fields, name_of};

/// What Tab does with a line.
#[derive(Debug, PartialEq, Eq)]
pub struct Completion {
    /// The line, completed as far as it is clear.
    pub line: String,
    /// What could come, if it is not clear.
    pub choices: Vec<String>,
}

/// Completes the last word of the line in front of the cursor.
pub fn complete(line: &str, cursor: usize, held: &Held) -> Completion {
    let (before, behind) = line.split_at_checked(cursor).unwrap_or((line, ""));
    let start = before.rfind([' ', '=']).map_or(0, |at| at + 1);
    let (head, word) = before.split_at(start);
    let mut choices = candidates(head, word, held);
    choices.retain(|c| c.starts_with(word));
    let common = choices.iter().skip(1).fold(choices.first().cloned().unwrap_or_default(), |a, b| common_prefix(&a, b));
    if common.is_empty() {
        return Completion { line: line.to_owned(), choices: Vec::new() };
    }
    let done = choices.len() == 1 && !common.ends_with(['=', '.']);
    let space = if done && behind.is_empty() { " " } else { "" };
    let choices = if choices.len() > 1 && common == word { choices } else { Vec::new() };
    Completion { line: format!("{head}{common}{space}{behind}"), choices }
}

fn candidates(head: &str, word: &str, held: &Held) -> Vec<String> {
    let words: Vec<&str> = head.split_whitespace().collect();
    match (words.first(), word.strip_prefix('@')) {
        (None, _) => commands::names().map(str::to_owned).collect(),
        (Some(&command), Some(name)) => match name.split_once('.') {
            Some((name, _)) => methods(held, name).map(|m| format!("@{name}.{m}")).collect(),
            None => held
                .names()
                .map(|n| if command == "call" && words.len() == 1 { format!("@{n}.") } else { format!("@{n}") })
                .collect(),
        },
        (Some(&"help"), None) => commands::names().map(str::to_owned).collect(),
        (Some(&"call"), None) if words.len() > 1 && !head.ends_with('=') => field_names(held, words[1]),
        _ => Vec::new(),
    }
}

fn methods(held: &Held, name: &str) -> impl Iterator<Item = &'static str> {
    let interface = held.get(name).and_then(|c| c.described()).ok();
    let all = interface.into_iter().flat_map(|i: &'static Interface| std::iter::once(i).chain(i.ancestors()));
    all.flat_map(|i| i.methods).map(|m| m.name)
}

fn field_names(held: &Held, target: &str) -> Vec<String> {
    let Some((name, method)) = target.strip_prefix('@').and_then(|t| t.split_once('.')) else { return Vec::new() };
    let Ok(interface) = held.get(name).and_then(|c| c.described()) else { return Vec::new() };
    let Some((_, method)) = interface.method(method) else { return Vec::new() };
    fields((method.params)()).into_iter().map(|f| format!("{}=", name_of(f))).collect()
}

fn common_prefix(a: &str, b: &str) -> String {
    a.chars().zip(b.chars()).take_while(|(x, y)| x == y).map(|(x, _)| x).collect()
}
