//! The serial line: everything the guest said, as plain text, and a cursor behind what the test has read.

use std::fs::File;
use std::io::{Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes read from the emulator at once.
const CHUNK_BYTES: usize = 4096;

/// What the guest has said so far.
#[derive(Default)]
struct Said {
    text: Vec<u8>,
    ended: bool,
}

/// The receiving side of a serial line.
pub struct Serial {
    said: Arc<(Mutex<Said>, Condvar)>,
    cursor: usize,
}

/// Why an awaited text did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// The machine ended.
    Ended,
    /// The machine runs on, but did not say it in time.
    TimedOut,
    /// The machine said that it will not come.
    Failed,
}

impl Serial {
    /// Listens to `line` and copies every byte to `log`.
    pub fn listen(line: impl Read + Send + 'static, log: File) -> Serial {
        let said = Arc::<(Mutex<Said>, Condvar)>::default();
        let shared = said.clone();
        std::thread::spawn(move || record(line, log, &shared));
        Serial { said, cursor: 0 }
    }

    /// Waits for `text` behind the cursor, moves the cursor behind it and returns what came before it. There is no waiting when
    /// `failed` holds for what came instead.
    pub fn expect(
        &mut self,
        text: &str,
        failed: impl Fn(&[u8]) -> bool,
        patience: Duration,
    ) -> Result<String, Silence> {
        let (_, changed) = &*self.said;
        let found = |said: &Said| find(&said.text[self.cursor..], text.as_bytes());
        let failed = |said: &Said| failed(&said.text[self.cursor..]);
        let waiting = |said: &mut Said| found(said).is_none() && !said.ended && !failed(said);
        let said = changed.wait_timeout_while(self.lock(), patience, waiting).unwrap_or_else(PoisonError::into_inner).0;
        let Some(position) = found(&said) else {
            return Err(match () {
                () if said.ended => Silence::Ended,
                () if failed(&said) => Silence::Failed,
                () => Silence::TimedOut,
            });
        };
        let start = self.cursor;
        let before = String::from_utf8_lossy(&said.text[start..start + position]).into_owned();
        drop(said);
        self.cursor = start + position + text.len();
        Ok(before)
    }

    /// Waits until the line is closed and returns whether it was.
    pub fn wait_closed(&self, patience: Duration) -> bool {
        let (_, changed) = &*self.said;
        let waited = changed.wait_timeout_while(self.lock(), patience, |said| !said.ended);
        waited.unwrap_or_else(PoisonError::into_inner).0.ended
    }

    /// Everything said.
    pub fn all(&self) -> String {
        String::from_utf8_lossy(&self.lock().text).into_owned()
    }

    fn lock(&self) -> MutexGuard<'_, Said> {
        self.said.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where it stands.
pub fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

fn record(mut line: impl Read, mut log: File, (said, changed): &(Mutex<Said>, Condvar)) {
    let mut filter = PlainText::default();
    let mut chunk = [0; CHUNK_BYTES];
    loop {
        // The line ends with the machine, by end of file or by an error.
        let length = line.read(&mut chunk).unwrap_or(0);
        // The log is a convenience: a full disk must not fail a test.
        let _ = log.write_all(&chunk[..length]);
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        said.text.extend(chunk[..length].iter().copied().filter(|&byte| filter.passes(byte)));
        said.ended = length == 0;
        changed.notify_all();
        if said.ended {
            return;
        }
    }
}

/// Drops what is meant for a terminal and not for a reader: carriage returns and escape sequences.
#[derive(Default)]
enum PlainText {
    #[default]
    Text,
    Escape,
    Sequence,
}

impl PlainText {
    fn passes(&mut self, byte: u8) -> bool {
        let (next, passes) = match (&self, byte) {
            (PlainText::Text, 0x1b) => (PlainText::Escape, false),
            (PlainText::Text, b'\r' | 0x07) => (PlainText::Text, false),
            (PlainText::Text, _) => (PlainText::Text, true),
            (PlainText::Escape, b'[') => (PlainText::Sequence, false),
            (PlainText::Escape, _) => (PlainText::Text, false),
            (PlainText::Sequence, 0x40..=0x7e) => (PlainText::Text, false),
            (PlainText::Sequence, _) => (PlainText::Sequence, false),
        };
        *self = next;
        passes
    }
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn only_plain_text_passes() {
        let mut filter = PlainText::default();
        let said = b"\x1b[2K\rlogin:\x1b[1;31m \x07x\r\n".iter().copied().filter(|&byte| filter.passes(byte));
        assert_eq!(said.collect::<Vec<u8>>(), b"login: x\n");
    }
}
