//! The lines typed so far, and the walk through them with the arrow keys.

/// Lines kept at most.
pub const MAX_LINES: usize = 200;

/// Lines, oldest first, and where the walk stands.
#[derive(Default)]
pub struct History {
    lines: Vec<String>,
    position: usize,
    unfinished: String,
}

impl History {
    /// Adds a line that was entered and ends the walk. Repeated and empty lines are not kept twice.
    pub fn push(&mut self, line: &str) {
        if !line.trim().is_empty() && self.lines.last().map(String::as_str) != Some(line) {
            self.lines.push(line.to_owned());
            if self.lines.len() > MAX_LINES {
                self.lines.remove(0);
            }
        }
        self.position = self.lines.len();
        self.unfinished.clear();
    }

    /// The line before; `line` is what stands there now.
    pub fn previous(&mut self, line: &str) -> String {
        if self.position == self.lines.len() {
            self.unfinished = line.to_owned();
        }
        self.position = self.position.saturating_sub(1);
        self.at_position()
    }

    /// The line behind; after the last comes what was being typed.
    pub fn next(&mut self, line: &str) -> String {
        if self.position >= self.lines.len() {
            return line.to_owned();
        }
        self.position += 1;
        self.at_position()
    }

    /// All lines, oldest first.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    fn at_position(&self) -> String {
        self.lines.get(self.position).unwrap_or(&self.unfinished).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walks_back_and_forth_and_keeps_the_unfinished_line() {
        let mut history = History::default();
        ["one", "two", "two", " "].iter().for_each(|l| history.push(l));
        assert_eq!(history.lines(), ["one", "two"]);
        assert_eq!(history.previous("thr"), "two");
        assert_eq!(history.previous("two"), "one");
        assert_eq!(history.previous("one"), "one");
        assert_eq!(history.next("one"), "two");
        assert_eq!(history.next("two"), "thr");
        assert_eq!(history.next("thr"), "thr");
    }

    #[test]
    fn forgets_the_oldest() {
        let mut history = History::default();
        (0..MAX_LINES + 5).for_each(|n| history.push(&n.to_string()));
        assert_eq!(history.lines().len(), MAX_LINES);
        assert_eq!(history.lines()[0], "5");
    }
}
