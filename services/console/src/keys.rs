//! Keys out of bytes: UTF-8, control characters and the escape sequences of ANSI terminals.

/// Bytes of a control sequence at most; a longer one is dropped.
const MAX_SEQUENCE_BYTES: usize = 16;

const ESCAPE: u8 = 0x1b;
const DELETE: u8 = 0x7f;

/// A key that was pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A character to insert.
    Char(char),
    /// A control character, named by its letter: `Control('C')`.
    Control(char),
    /// Enter.
    Enter,
    /// Tab.
    Tab,
    /// Erases to the left.
    Backspace,
    /// Erases to the right.
    Delete,
    /// Arrow left.
    Left,
    /// Arrow right.
    Right,
    /// Arrow up.
    Up,
    /// Arrow down.
    Down,
    /// To the start of the line.
    Home,
    /// To the end of the line.
    End,
}

/// Where the decoder stands between two bytes.
#[derive(Debug, Default)]
enum State {
    #[default]
    Ground,
    /// A carriage return came; a line feed behind it belongs to it.
    CarriageReturn,
    /// ESC came.
    Escape,
    /// `ESC [` or `ESC O` came; parameters are collected.
    Sequence(Vec<u8>),
    /// In a character of several bytes: those so far, and the whole length.
    Character(Vec<u8>, usize),
}

/// Makes keys of bytes that come in any portions.
#[derive(Debug, Default)]
pub struct Decoder {
    state: State,
}

impl Decoder {
    /// Takes one byte; gives the key that it completes.
    pub fn push(&mut self, byte: u8) -> Option<Key> {
        match std::mem::take(&mut self.state) {
            State::Ground => self.ground(byte),
            State::CarriageReturn if byte == b'\n' => None,
            State::CarriageReturn => self.ground(byte),
            State::Escape => self.escape(byte),
            State::Sequence(parameters) => self.sequence(parameters, byte),
            State::Character(bytes, length) => self.character(bytes, length, byte),
        }
    }

    fn ground(&mut self, byte: u8) -> Option<Key> {
        match byte {
            b'\r' => {
                self.state = State::CarriageReturn;
                Some(Key::Enter)
            }
            b'\n' => Some(Key::Enter),
            b'\t' => Some(Key::Tab),
            DELETE | 0x08 => Some(Key::Backspace),
            ESCAPE => {
                self.state = State::Escape;
                None
            }
            0x01..=0x1a => Some(Key::Control(char::from(byte + b'A' - 1))),
            0x20..=0x7e => Some(Key::Char(char::from(byte))),
            0xc2..=0xdf => self.first_of(byte, 2),
            0xe0..=0xef => self.first_of(byte, 3),
            0xf0..=0xf4 => self.first_of(byte, 4),
            _ => None,
        }
    }

    fn first_of(&mut self, byte: u8, length: usize) -> Option<Key> {
        self.state = State::Character(vec![byte], length);
        None
    }

    fn character(&mut self, mut bytes: Vec<u8>, length: usize, byte: u8) -> Option<Key> {
        if byte & 0xc0 != 0x80 {
            return self.ground(byte);
        }
        bytes.push(byte);
        if bytes.len() < length {
            self.state = State::Character(bytes, length);
            return None;
        }
        let character = std::str::from_utf8(&bytes).ok()?.chars().next()?;
        (!character.is_control()).then_some(Key::Char(character))
    }

    fn escape(&mut self, byte: u8) -> Option<Key> {
        match byte {
            b'[' | b'O' => {
                self.state = State::Sequence(Vec::new());
                None
            }
            _ => self.ground(byte),
        }
    }

    fn sequence(&mut self, mut parameters: Vec<u8>, byte: u8) -> Option<Key> {
        match byte {
            0x40..=0x7e => named(&parameters, byte),
            0x20..=0x3f => {
                if parameters.len() < MAX_SEQUENCE_BYTES {
                    parameters.push(byte);
                }
                self.state = State::Sequence(parameters);
                None
            }
            _ => self.ground(byte),
        }
    }
}

/// The key of a control sequence, by its last byte and, for `~`, its number.
fn named(parameters: &[u8], last: u8) -> Option<Key> {
    Some(match (last, parameters) {
        (b'A', _) => Key::Up,
        (b'B', _) => Key::Down,
        (b'C', _) => Key::Right,
        (b'D', _) => Key::Left,
        (b'H', _) | (b'~', b"1" | b"7") => Key::Home,
        (b'F', _) | (b'~', b"4" | b"8") => Key::End,
        (b'~', b"3") => Key::Delete,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut decoder = Decoder::default();
        bytes.iter().filter_map(|&b| decoder.push(b)).collect()
    }

    #[test]
    fn names_every_key() {
        assert_eq!(keys(b"a\x7f\x03\t"), [Key::Char('a'), Key::Backspace, Key::Control('C'), Key::Tab]);
        assert_eq!(keys(b"\x1b[A\x1bOB\x1b[C\x1b[1;5D"), [Key::Up, Key::Down, Key::Right, Key::Left]);
        assert_eq!(keys(b"\x1b[3~\x1b[H\x1b[4~"), [Key::Delete, Key::Home, Key::End]);
    }

    #[test]
    fn one_line_end_is_one_enter() {
        assert_eq!(keys(b"\r\n"), [Key::Enter]);
        assert_eq!(keys(b"\r"), [Key::Enter]);
        assert_eq!(keys(b"\n\n"), [Key::Enter, Key::Enter]);
        assert_eq!(keys(b"\r\r\n"), [Key::Enter, Key::Enter]);
    }

    #[test]
    fn broken_utf8_loses_no_key_after_it() {
        assert_eq!(keys(b"\xe2\x82a"), [Key::Char('a')]);
        assert_eq!(keys(b"\xff\x80b"), [Key::Char('b')]);
    }

    proptest! {
        #[test]
        fn every_printable_string_comes_through(text in "\\PC*") {
            let expected: Vec<Key> = text.chars().map(Key::Char).collect();
            prop_assert_eq!(keys(text.as_bytes()), expected);
        }

        #[test]
        fn no_bytes_disturb_it_for_long(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut decoder = Decoder::default();
            for byte in bytes { decoder.push(byte); }
            for byte in *b"\x1b[A" { decoder.push(byte); }
            prop_assert_eq!(decoder.push(b'x'), Some(Key::Char('x')));
        }
    }
}
