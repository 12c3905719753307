//! The kernel's log: text in a ring buffer.
use alloc::vec::Vec;
use core::fmt;

/// Bytes of text that are kept.
pub const LOG_BYTES: usize = 64 << 10;
/// Bytes of text in one answer of `KernelLog.read` at most.
pub const READ_BYTES: usize = 2 << 10;

/// Text, and how much of it there ever was.
pub struct Log {
    text: Vec<u8>,
    written: u64,
    shown: u64,
}

impl Log {
    /// An empty log; `None` if the heap is too small.
    pub fn new() -> Option<Self> {
        let mut text = Vec::new();
        text.try_reserve_exact(LOG_BYTES).ok()?;
        text.resize(LOG_BYTES, 0);
        Some(Self { text, written: 0, shown: 0 })
    }

    /// The longest run of whole characters from `position` (or from the oldest kept) that fits `buffer`: where it ends,
    /// and its bytes.
    pub fn read(&self, position: u64, buffer: &mut [u8]) -> (u64, usize) {
        let oldest = self.written.saturating_sub(LOG_BYTES as u64);
        let mut start = position.clamp(oldest, self.written);
        while start < self.written && is_continuation(self.byte(start)) {
            start += 1;
        }
        let mut end = self.written.min(start + buffer.len() as u64);
        while end < self.written && end > start && is_continuation(self.byte(end)) {
            end -= 1;
        }
        for (to, at) in buffer.iter_mut().zip(start..end) {
            *to = self.byte(at);
        }
        (end, (end - start) as usize)
    }

    /// How far the console has shown it.
    pub fn shown(&self) -> u64 {
        self.shown
    }

    /// Bytes that the console has not shown.
    pub fn behind(&self) -> u64 {
        self.written - self.shown
    }

    /// What the console has to show next, as much as fits `buffer`; what is not kept any more is left out.
    pub fn unshown<'a>(&mut self, buffer: &'a mut [u8]) -> &'a [u8] {
        self.shown = self.shown.max(self.written.saturating_sub(LOG_BYTES as u64));
        let bytes = buffer.len().min(self.behind() as usize);
        let text = buffer.get_mut(..bytes).unwrap_or_default();
        for (to, at) in text.iter_mut().zip(self.shown..) {
            *to = self.byte(at);
        }
        text
    }

    /// The console has shown so many bytes more.
    pub fn show(&mut self, bytes: usize) {
        self.shown += bytes as u64;
    }

    fn byte(&self, at: u64) -> u8 {
        self.text.get(at as usize % LOG_BYTES).copied().unwrap_or(b'?')
    }
}

fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

impl fmt::Write for Log {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if let Some(place) = self.text.get_mut(self.written as usize % LOG_BYTES) {
                *place = byte;
            }
            self.written += 1;
        }
        Ok(())
    }
}

/// A line under construction on the stack; what does not fit is cut.
pub struct Line {
    bytes: [u8; Line::BYTES],
    len: usize,
}

impl Line {
    /// Bytes of a line at most.
    pub const BYTES: usize = 256;

    /// An empty line.
    pub const fn new() -> Self {
        Self { bytes: [0; Self::BYTES], len: 0 }
    }

    /// The text so far.
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..self.len).unwrap_or_default();
        let whole = core::str::from_utf8(bytes).map_or_else(|e| e.valid_up_to(), str::len);
        core::str::from_utf8(bytes.get(..whole).unwrap_or_default()).unwrap_or_default()
    }
}

impl Default for Line {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for (to, from) in self.bytes.iter_mut().skip(self.len).zip(text.bytes()) {
            *to = from;
            self.len += 1;
        }
        Ok(())
    }
}
