//! The line being edited: text and cursor. How it looks is `screen.rs`.
use crate::keys::Key;

/// Bytes of a line at most; keys beyond are ignored.
pub const MAX_LINE_BYTES: usize = 2048;

/// A line and the byte position of its cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    text: String,
    cursor: usize,
}

impl Line {
    /// A line with this text, cut at the limit, and the cursor at its end. Control characters are left out.
    pub fn new(initial: &str) -> Self {
        let mut line = Self::default();
        initial.chars().filter(|c| !c.is_control()).for_each(|c| line.insert(c));
        line
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Byte position of the cursor.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// Does what the key says; keys that do not edit change nothing.
    pub fn edit(&mut self, key: Key) {
        match key {
            Key::Char(character) => self.insert(character),
            Key::Backspace => self.erase(self.before(), self.cursor),
            Key::Delete => self.erase(self.cursor, self.behind()),
            Key::Left | Key::Control('B') => self.cursor = self.before(),
            Key::Right | Key::Control('F') => self.cursor = self.behind(),
            Key::Home | Key::Control('A') => self.cursor = 0,
            Key::End | Key::Control('E') => self.cursor = self.text.len(),
            Key::Control('D') => self.erase(self.cursor, self.behind()),
            Key::Control('U') => self.erase(0, self.cursor),
            Key::Control('K') => self.erase(self.cursor, self.text.len()),
            Key::Control('W') => self.erase(self.word_start(), self.cursor),
            Key::Control(_) | Key::Enter | Key::Tab | Key::Up | Key::Down => {}
        }
    }

    fn insert(&mut self, character: char) {
        if self.text.len() + character.len_utf8() <= MAX_LINE_BYTES {
            self.text.insert(self.cursor, character);
            self.cursor += character.len_utf8();
        }
    }

    fn erase(&mut self, from: usize, to: usize) {
        self.text.replace_range(from..to, "");
        self.cursor = from;
    }

    /// Where the character before the cursor starts.
    fn before(&self) -> usize {
        self.text[..self.cursor].char_indices().next_back().map_or(0, |(at, _)| at)
    }

    /// Where the character at the cursor ends.
    fn behind(&self) -> usize {
        self.cursor + self.text[self.cursor..].chars().next().map_or(0, char::len_utf8)
    }

    /// Where the word before the cursor starts, spaces behind it included.
    fn word_start(&self) -> usize {
        let words = self.text[..self.cursor].trim_end();
        words.rfind(char::is_whitespace).map_or(0, |at| at + words[at..].chars().next().map_or(0, char::len_utf8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn edited(initial: &str, keys: &[Key]) -> Line {
        let mut line = Line::new(initial);
        keys.iter().for_each(|&k| line.edit(k));
        line
    }

    #[test]
    fn edits_as_people_expect() {
        assert_eq!(edited("cap", &[Key::Char('s')]).text(), "caps");
        assert_eq!(edited("grün", &[Key::Left, Key::Backspace]).text(), "grn");
        assert_eq!(edited("one two  ", &[Key::Control('W')]).text(), "one ");
        assert_eq!(edited("one two", &[Key::Home, Key::Delete, Key::Control('K')]).text(), "");
        assert_eq!(edited("one", &[Key::Left, Key::Control('U')]).text(), "e");
    }

    fn any_key() -> impl Strategy<Value = Key> {
        prop_oneof![
            any::<char>().prop_map(Key::Char),
            prop::char::range('A', 'Z').prop_map(Key::Control),
            prop::sample::select(vec![
                Key::Backspace,
                Key::Delete,
                Key::Left,
                Key::Right,
                Key::Home,
                Key::End,
                Key::Tab
            ]),
        ]
    }

    proptest! {
        #[test]
        fn the_cursor_stays_on_a_character(keys in prop::collection::vec(any_key(), 0..300)) {
            let line = edited("", &keys);
            prop_assert!(line.text().is_char_boundary(line.cursor()));
            prop_assert!(line.text().len() <= MAX_LINE_BYTES);
        }
    }
}
