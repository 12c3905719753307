//! The standard streams: text to the slot `stdout` (a terminal or a log), else to `log`; lines from `stdin` or `terminal`.
use crate::lock::Mutex;
use crate::objects;
use crate::raw::{self, Failure, Message};
use crate::startup::{Capability, capability};
use capnp::traits::HasTypeId;
use capos_abi::handle::Handle;
use capos_abi::interface::{kernel_log, log_sink};
use capos_abi::layout::{Pointer, Scalar, Shape};
use schema::terminal_capnp::terminal;
use schema::terminal_output_capnp::terminal_output;

/// The stream for errors.
pub const STDERR: usize = 1;
/// The stream for output.
pub const STDOUT: usize = 0;

/// Bytes of a line in a log; longer ones are split.
const LOG_LINE_BYTES: usize = 400;
/// Bytes that one call sends to a terminal.
const TERMINAL_BYTES: usize = 900;
/// Bytes of a line that can be read.
const INPUT_BYTES: usize = 1024;

/// The slots that text goes to: the first that was granted. The last is what `init` has.
const SLOTS: [&str; 3] = ["stdout", "log", "kernel-log"];

/// What takes the text.
enum Sink {
    Log(Handle),
    Terminal(Handle),
}

/// Why text did not arrive or none came.
#[derive(Clone, Copy, Debug)]
pub enum Error {
    /// No such stream was granted.
    NotGranted,
    /// The capability behind it failed.
    Failed(Failure),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Writes text to [`STDOUT`] or [`STDERR`].
pub fn write(stream: usize, bytes: &[u8]) -> Result<(), Error> {
    let sink = sink().ok_or(Error::NotGranted)?;
    for chunk in bytes.utf8_chunks() {
        write_text(&sink, stream, chunk.valid())?;
        if !chunk.invalid().is_empty() {
            write_text(&sink, stream, "\u{fffd}")?;
        }
    }
    Ok(())
}

/// Writes the unfinished lines of logs.
pub fn flush() {
    if let Some(Sink::Log(log)) = sink() {
        for line in &LINES {
            // There is nobody to tell: the process ends.
            let _ = line.lock().flush(log);
        }
    }
}

fn sink() -> Option<Sink> {
    let granted = SLOTS.into_iter().find_map(capability)?;
    match granted.interface {
        log_sink::ID | kernel_log::ID => Some(Sink::Log(granted.handle)),
        _ if is_terminal(granted) || granted.interface == <terminal_output::Client as HasTypeId>::TYPE_ID => {
            Some(Sink::Terminal(granted.handle))
        }
        _ => None,
    }
}

fn is_terminal(granted: Capability) -> bool {
    granted.interface == <terminal::Client as HasTypeId>::TYPE_ID
}

fn write_text(sink: &Sink, stream: usize, text: &str) -> Result<(), Error> {
    match sink {
        Sink::Log(log) => LINES[stream].lock().append(*log, text).map_err(Error::from),
        Sink::Terminal(terminal) => {
            pieces(text, TERMINAL_BYTES).try_for_each(|piece| show(*terminal, piece)).map_err(Error::from)
        }
    }
}

/// `TerminalOutput.write`, built by hand because output must work where nothing may allocate.
fn show(terminal: Handle, text: &str) -> Result<(), Failure> {
    const SHAPE: Shape = Shape { data_words: 0, pointers: 1 };
    const WRITE: u16 = 0;
    let message = Message::new(SHAPE).set_text(Pointer { index: 0 }, text);
    raw::call(terminal, <terminal_output::Client as HasTypeId>::TYPE_ID, WRITE, &message, 0).map(drop)
}

/// The text in pieces of at most `bytes`, cut between characters.
fn pieces(text: &str, bytes: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    core::iter::from_fn(move || {
        let (piece, behind) = rest.split_at(rest.floor_char_boundary(bytes));
        rest = behind;
        Some(piece).filter(|piece| !piece.is_empty())
    })
}

/// A line on its way to a log, which takes whole lines.
struct Line {
    bytes: [u8; LOG_LINE_BYTES],
    used: usize,
}

static LINES: [Mutex<Line>; 2] = [const { Mutex::new(Line { bytes: [0; LOG_LINE_BYTES], used: 0 }) }; 2];

impl Line {
    fn append(&mut self, log: Handle, text: &str) -> Result<(), Failure> {
        for part in text.split_inclusive('\n') {
            let line = part.strip_suffix('\n');
            self.fill(log, line.unwrap_or(part))?;
            if line.is_some() {
                self.flush(log)?;
            }
        }
        Ok(())
    }

    fn fill(&mut self, log: Handle, text: &str) -> Result<(), Failure> {
        for character in text.chars() {
            if self.used + character.len_utf8() > LOG_LINE_BYTES {
                self.flush(log)?;
            }
            self.used += character.encode_utf8(&mut self.bytes[self.used..]).len();
        }
        Ok(())
    }

    /// Logs what there is. The line is empty afterwards even if the log failed.
    fn flush(&mut self, log: Handle) -> Result<(), Failure> {
        let used = core::mem::take(&mut self.used);
        match core::str::from_utf8(&self.bytes[..used]) {
            Ok(line) if !line.is_empty() => objects::log(log, line),
            _ => Ok(()),
        }
    }
}

/// The line that was read last: what of it nobody has taken yet lies from `taken` to `used`.
struct Input {
    bytes: [u8; INPUT_BYTES],
    taken: usize,
    used: usize,
}

static INPUT: Mutex<Input> = Mutex::new(Input { bytes: [0; INPUT_BYTES], taken: 0, used: 0 });

/// Reads text into `buffer`; answers how many bytes, 0 at the end of input. Waits for a line if none is there.
pub fn read(buffer: &mut [u8]) -> Result<usize, Error> {
    let granted = capability("stdin").or_else(|| capability("terminal")).filter(|&granted| is_terminal(granted));
    let terminal = granted.ok_or(Error::NotGranted)?.handle;
    let mut input = INPUT.lock();
    if input.taken == input.used {
        input.read_line(terminal)?;
    }
    let count = buffer.len().min(input.used - input.taken);
    let taken = input.taken;
    buffer[..count].copy_from_slice(&input.bytes[taken..taken + count]);
    input.taken += count;
    Ok(count)
}

impl Input {
    /// Asks the terminal for a line, again if the person gave it up.
    fn read_line(&mut self, terminal: Handle) -> Result<(), Failure> {
        const SHAPE: Shape = Shape { data_words: 1, pointers: 2 };
        const READ_LINE: u16 = 0;
        const LINE: Pointer = Pointer { index: 0 };
        const ENDING: Scalar = Scalar { offset: 4, bytes: 2, default: 0 };
        loop {
            let interface = <terminal::Client as HasTypeId>::TYPE_ID;
            (self.taken, self.used) = (0, 0);
            let message = Message::new(SHAPE);
            let reply = raw::call_for_bytes(terminal, interface, READ_LINE, &message, LINE, |byte| self.push(byte))?;
            let ending = reply.get(ENDING) as u16;
            if ending == terminal::Ending::Closed as u16 {
                self.used = 0;
                return Ok(());
            }
            if ending == terminal::Ending::Entered as u16 {
                self.finish_line();
                return Ok(());
            }
        }
    }

    fn push(&mut self, byte: u8) {
        if self.used < INPUT_BYTES {
            self.bytes[self.used] = byte;
            self.used += 1;
        }
    }

    /// Puts the line's end where the Text's final zero stands; an empty Text may have none.
    fn finish_line(&mut self) {
        self.used = self.used.saturating_sub(1);
        self.push(b'\n');
    }
}
