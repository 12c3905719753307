//! The console before there is a driver: the first UART, and what was written to it before there was a log.

use core::fmt::{self, Write};
use spin::Mutex;
use uart_16550::backend::PioBackend;
use uart_16550::{Config, Uart16550};

/// First port of the UART.
pub const FIRST_PORT: u16 = 0x3f8;
/// Number of its ports.
pub const PORT_COUNT: u16 = 8;
/// Bytes of text kept until the core's log exists.
const EARLY_BYTES: usize = 4096;

/// The UART, if there is one, and the text written so far.
struct Console {
    uart: Option<Uart16550<PioBackend>>,
    early: [u8; EARLY_BYTES],
    early_bytes: usize,
}

static CONSOLE: Mutex<Console> = Mutex::new(Console { uart: None, early: [0; EARLY_BYTES], early_bytes: 0 });

/// Finds and sets up the UART.
pub fn init() {
    CONSOLE.lock().uart = uart();
}

/// Whether there is a UART.
pub fn is_present() -> bool {
    CONSOLE.lock().uart.is_some()
}

/// Writes a line, and keeps it for the core's log.
pub fn write_line(line: fmt::Arguments) {
    let mut console = CONSOLE.lock();
    // Writing here never fails.
    let _ = writeln!(console, "{line}");
}

/// Writes text.
pub fn write(text: &str) {
    if let Some(uart) = &mut CONSOLE.lock().uart {
        send(uart, text);
    }
}

/// Gives the lines written so far to `line`, one by one.
pub fn replay(line: impl FnMut(&str)) {
    let console = CONSOLE.lock();
    let text = console.early.get(..console.early_bytes).unwrap_or_default();
    let whole = str::from_utf8(text).unwrap_or_else(|error| {
        text.get(..error.valid_up_to()).and_then(|valid| str::from_utf8(valid).ok()).unwrap_or_default()
    });
    whole.lines().for_each(line);
}

/// Takes the UART back from whoever has it, and the screen, for the last words of the kernel.
pub fn last_words(words: fmt::Arguments) {
    if let Some(uart) = uart() {
        let _ = writeln!(LastWords(uart), "{words}");
    }
    crate::screen::last_words(words);
}

/// Writes a line to the console before the core's log exists.
#[macro_export]
macro_rules! log {
    ($($argument:tt)*) => { $crate::console::write_line(format_args!($($argument)*)) };
}

fn uart() -> Option<Uart16550<PioBackend>> {
    // SAFETY: at boot the kernel owns the UART's ports, and in a panic it takes them back.
    let mut uart = unsafe { Uart16550::new_port(FIRST_PORT) }.ok()?;
    uart.init(Config::default()).ok()?;
    Some(uart)
}

fn send(uart: &mut Uart16550<PioBackend>, text: &str) {
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            uart.send_bytes_exact(b"\r\n");
        }
        uart.send_bytes_exact(line.as_bytes());
    }
}

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if let Some(uart) = &mut self.uart {
            send(uart, text);
        }
        for (place, byte) in self.early.iter_mut().skip(self.early_bytes).zip(text.bytes()) {
            *place = byte;
            self.early_bytes += 1;
        }
        Ok(())
    }
}

struct LastWords(Uart16550<PioBackend>);

impl Write for LastWords {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        send(&mut self.0, text);
        Ok(())
    }
}
