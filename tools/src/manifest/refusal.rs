//! What is wrong with a system description.

use std::fmt;

/// One defect: where it is and one clear sentence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refusal {
    /// Path in the description, for example `routes.console.serial`; empty if the whole is meant.
    pub path: String,
    /// The sentence.
    pub sentence: String,
}

impl Refusal {
    /// A defect at `path`.
    pub fn new(path: impl Into<String>, sentence: impl Into<String>) -> Refusal {
        Refusal { path: path.into(), sentence: sentence.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.sentence),
            path => write!(f, "{path}: {}", self.sentence),
        }
    }
}

/// All defects found, one on a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusals(pub Vec<Refusal>);

impl Refusals {
    /// `value`, unless something was refused.
    pub fn unless_empty<T>(self, value: T) -> Result<T, Refusals> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }

    /// The value of `first` if both succeeded, else the defects of both.
    pub fn join<T>(first: Result<T, Refusals>, second: Result<(), Refusals>) -> Result<T, Refusals> {
        match (first, second) {
            (Err(first), Err(second)) => Err(Refusals([first.0, second.0].concat())),
            (first, second) => second.and(first),
        }
    }
}

impl From<Refusal> for Refusals {
    fn from(refusal: Refusal) -> Refusals {
        Refusals(vec![refusal])
    }
}

impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(Refusal::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Refusals {}
