//! What a person, or whatever sits at the serial line, types: keys, lines and the screen's answer.

use console::terminal::{Request, Terminal};

/// Types the bytes into a reader of lines; the first byte says what is asked for.
pub fn run(bytes: &[u8]) {
    let [how, typed @ ..] = bytes else { return };
    let mut terminal = Terminal::default();
    for chunk in typed.chunks(7) {
        let (echo, hooks) = (how & 1 != 0, how & 2 != 0);
        terminal.read_line(Request { prompt: "? ".into(), initial: "ä".into(), echo, hooks });
        terminal.type_bytes(chunk);
        if let Some(finished) = terminal.take_line() {
            assert!(finished.line.is_char_boundary(finished.cursor));
        }
        terminal.write(&String::from_utf8_lossy(chunk));
        let _ = terminal.take_screen();
    }
}
