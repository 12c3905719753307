//! What goes to the screen: the least that turns the line that is shown into the line that should be.
use std::fmt::Write;

use unicode_width::UnicodeWidthStr;

use crate::line::Line;

const CLEAR_TO_END: &str = "\x1b[K";
/// Clears the screen and goes to its first line.
pub const CLEAR_SCREEN: &str = "\x1b[H\x1b[2J";

/// Text as a terminal shows it: line ends become carriage return and line feed, other control characters become visible,
/// so that no program can play tricks on the person who reads.
pub fn displayed(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => shown.push_str("\r\n"),
            '\t' => shown.push('\t'),
            '\0'..='\x1f' => shown.extend(['^', char::from(character as u8 + b'@')]),
            c if c.is_control() => shown.push('\u{fffd}'),
            c => shown.push(c),
        }
    }
    shown
}

/// A prompt and a line, drawn from the left edge.
pub fn drawn(prompt: &str, line: &Line) -> String {
    let mut out = format!("{}{}", displayed(prompt), line.text());
    move_left(&mut out, columns(&line.text()[line.cursor()..]));
    out
}

/// Wipes the row of the cursor.
pub fn erased() -> String {
    format!("\r{CLEAR_TO_END}")
}

/// Turns what `old` looks like into what `new` looks like, with the cursor at the right place before and after.
pub fn updated(old: &Line, new: &Line) -> String {
    let same = common_prefix(old.text(), new.text());
    let mut out = String::new();
    if same == old.text().len() && same == new.text().len() {
        move_cursor(&mut out, new.text(), old.cursor(), new.cursor());
        return out;
    }
    move_cursor(&mut out, if same <= old.cursor() { old.text() } else { new.text() }, old.cursor(), same);
    out.push_str(&new.text()[same..]);
    let (gone, come) = (columns(&old.text()[same..]), columns(&new.text()[same..]));
    if gone > come {
        out.push_str(CLEAR_TO_END);
    }
    move_left(&mut out, columns(&new.text()[new.cursor()..]));
    out
}

fn move_cursor(out: &mut String, text: &str, from: usize, to: usize) {
    if to < from {
        move_left(out, columns(&text[to..from]));
    } else {
        out.push_str(&text[from..to]);
    }
}

fn move_left(out: &mut String, count: usize) {
    match count {
        0 => {}
        1..=3 => (0..count).for_each(|_| out.push('\x08')),
        _ => write!(out, "\x1b[{count}D").expect("writing to a string succeeds"),
    }
}

fn columns(text: &str) -> usize {
    text.width()
}

fn common_prefix(a: &str, b: &str) -> usize {
    a.char_indices().zip(b.chars()).find(|((_, x), y)| x != y).map_or(a.len().min(b.len()), |((at, _), _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Key;
    use proptest::prelude::*;

    /// One row of a terminal that understands what this module sends.
    fn shown(start: &Line, sent: &str) -> (String, usize) {
        let mut row: Vec<char> = start.text().chars().collect();
        let mut column = start.text()[..start.cursor()].chars().count();
        let mut rest = sent.chars();
        while let Some(character) = rest.next() {
            match character {
                '\x08' => column -= 1,
                '\x1b' => {
                    let sequence: String = rest.by_ref().skip(1).take_while(|c| !c.is_alphabetic()).collect();
                    // `take_while` ate the letter: with a number it was `D`, without `K`.
                    match sequence.parse::<usize>() {
                        Ok(count) => column -= count,
                        Err(_) => row.truncate(column),
                    }
                }
                c if column == row.len() => {
                    row.push(c);
                    column += 1
                }
                c => {
                    row[column] = c;
                    column += 1
                }
            }
        }
        (row.into_iter().collect(), column)
    }

    fn key() -> impl Strategy<Value = Key> {
        prop_oneof![
            prop::char::range('a', 'e').prop_map(Key::Char),
            Just(Key::Char(' ')),
            prop::sample::select(vec![Key::Backspace, Key::Delete, Key::Left, Key::Right, Key::Home, Key::End]),
            prop::sample::select(vec![Key::Control('U'), Key::Control('K'), Key::Control('W')]),
        ]
    }

    proptest! {
        #[test]
        fn the_screen_shows_the_line(keys in prop::collection::vec(key(), 0..60)) {
            let mut line = Line::default();
            for key in keys {
                let old = line.clone();
                line.edit(key);
                let (text, column) = shown(&old, &updated(&old, &line));
                prop_assert_eq!(&text, line.text());
                prop_assert_eq!(column, line.cursor());
            }
        }
    }

    #[test]
    fn typing_at_the_end_echoes_only_the_key() {
        assert_eq!(updated(&Line::new("ca"), &Line::new("cap")), "p");
    }

    #[test]
    fn text_cannot_carry_escape_sequences() {
        assert_eq!(displayed("a\x1b[2Jb\n\u{9b}"), "a^[[2Jb\r\n\u{fffd}");
    }
}
