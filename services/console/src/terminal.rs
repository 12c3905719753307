//! The terminal as a state machine: bytes and requests go in, screen bytes and finished lines come out.
use std::collections::VecDeque;

use crate::keys::{Decoder, Key};
use crate::line::Line;
use crate::screen;

/// Bytes typed ahead at most; later ones are dropped.
pub const MAX_TYPED_AHEAD_BYTES: usize = 1024;

/// ^C, which interrupts the running program while nobody reads.
const INTERRUPT: u8 = 0x03;

/// How a line ended; as in `Terminal.Ending`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Enter.
    Entered,
    /// ^C.
    Interrupted,
    /// ^D on an empty line.
    Closed,
    /// Tab, with hooks.
    Complete,
    /// Arrow up, with hooks.
    Previous,
    /// Arrow down, with hooks.
    Next,
}

/// What a reader of a line wants.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Shown before the line.
    pub prompt: String,
    /// The line to start from.
    pub initial: String,
    /// Whether the line is shown.
    pub echo: bool,
    /// Whether Tab and the arrows up and down end the call.
    pub hooks: bool,
}

/// A line that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The text.
    pub line: String,
    /// Byte position of the cursor.
    pub cursor: usize,
    /// Why it ended.
    pub ending: Ending,
}

#[derive(Default)]
enum Reader {
    #[default]
    Nobody,
    Line(Request, Line),
    Keys,
}

/// A person's terminal.
#[derive(Default)]
pub struct Terminal {
    decoder: Decoder,
    typed: VecDeque<u8>,
    reader: Reader,
    finished: Option<Finished>,
    /// A hook left the line on the screen, to be redrawn in place.
    left_open: bool,
    /// Written text stands in front of the cursor on its row.
    mid_row: bool,
    interrupts: u64,
    screen: String,
}

impl Terminal {
    /// Takes bytes from the keyboard.
    pub fn type_bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if byte == INTERRUPT && matches!(self.reader, Reader::Nobody) {
                self.typed.clear();
                self.interrupts += 1;
            } else if self.typed.len() < MAX_TYPED_AHEAD_BYTES {
                self.typed.push_back(byte);
            }
            self.advance();
        }
    }

    /// Starts to read a line. The terminal has one reader at a time: the caller sees to that.
    pub fn read_line(&mut self, request: Request) {
        let line = Line::new(&request.initial);
        self.open_row();
        self.screen.push_str(&shown(&request, &line));
        self.reader = Reader::Line(request, line);
        self.advance();
    }

    /// The line, once it is finished.
    pub fn take_line(&mut self) -> Option<Finished> {
        self.finished.take()
    }

    /// Starts to read raw keys.
    pub fn read_keys(&mut self) {
        self.reader = Reader::Keys;
    }

    /// Up to `max` raw bytes, if there are any; then the reading is over.
    pub fn take_keys(&mut self, max: usize) -> Option<Vec<u8>> {
        if self.typed.is_empty() {
            return None;
        }
        self.reader = Reader::Nobody;
        let count = max.min(self.typed.len());
        Some(self.typed.drain(..count).collect())
    }

    /// Gives up reading: the reader has gone.
    pub fn stop_reading(&mut self) {
        if let Reader::Line(..) = std::mem::take(&mut self.reader) {
            self.screen.push_str("\r\n");
        }
        self.finished = None;
    }

    /// Shows text; a line that is being edited moves below it.
    pub fn write(&mut self, text: &str) {
        if matches!(self.reader, Reader::Line(..)) {
            self.screen.push_str(&screen::erased());
        } else if std::mem::take(&mut self.left_open) {
            self.screen.push_str("\r\n");
        }
        self.screen.push_str(&screen::displayed(text));
        self.mid_row = if text.is_empty() { self.mid_row } else { !text.ends_with('\n') };
        if let Reader::Line(request, line) = &self.reader {
            if self.mid_row {
                self.screen.push_str("\r\n");
                self.mid_row = false;
            }
            self.screen.push_str(&shown(request, line));
        }
    }

    /// How often ^C was typed while nobody read.
    pub fn interrupts(&self) -> u64 {
        self.interrupts
    }

    /// What the screen should receive.
    pub fn take_screen(&mut self) -> String {
        std::mem::take(&mut self.screen)
    }

    /// Puts the cursor where a prompt may start.
    fn open_row(&mut self) {
        if std::mem::take(&mut self.left_open) {
            self.screen.push_str(&screen::erased());
        }
        self.mid_row = false;
    }

    /// Feeds what was typed to the line editor until the line is finished.
    fn advance(&mut self) {
        while let Reader::Line(..) = self.reader {
            let Some(byte) = self.typed.pop_front() else { return };
            if let Some(key) = self.decoder.push(byte) {
                self.press(key);
            }
        }
    }

    fn press(&mut self, key: Key) {
        let Reader::Line(request, line) = &mut self.reader else { return };
        if let Some(ending) = ending(key, request, line) {
            return self.finish(ending);
        }
        if key == Key::Control('L') {
            self.screen.push_str(screen::CLEAR_SCREEN);
            self.screen.push_str(&shown(request, line));
            return;
        }
        let old = line.clone();
        line.edit(key);
        if request.echo {
            self.screen.push_str(&screen::updated(&old, line));
        }
    }

    fn finish(&mut self, ending: Ending) {
        let Reader::Line(_, line) = std::mem::take(&mut self.reader) else { return };
        match ending {
            Ending::Complete | Ending::Previous | Ending::Next => self.left_open = true,
            Ending::Interrupted => self.screen.push_str("^C\r\n"),
            Ending::Entered | Ending::Closed => self.screen.push_str("\r\n"),
        }
        self.finished = Some(Finished { line: line.text().to_owned(), cursor: line.cursor(), ending });
    }
}

fn shown(request: &Request, line: &Line) -> String {
    let hidden = Line::default();
    screen::drawn(&request.prompt, if request.echo { line } else { &hidden })
}

/// Whether the key ends the line.
fn ending(key: Key, request: &Request, line: &Line) -> Option<Ending> {
    match key {
        Key::Enter => Some(Ending::Entered),
        Key::Control('C') => Some(Ending::Interrupted),
        Key::Control('D') if line.text().is_empty() => Some(Ending::Closed),
        Key::Tab if request.hooks => Some(Ending::Complete),
        Key::Up if request.hooks => Some(Ending::Previous),
        Key::Down if request.hooks => Some(Ending::Next),
        _ => None,
    }
}
