//! Why a program ends: one sentence for a person.
use std::fmt::{self, Display};

/// An error of `main`; made of anything that can be shown.
pub struct Failure(String);

impl Failure {
    /// The sentence.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl<E: Display> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
