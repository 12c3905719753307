//! The console before there is a driver: a UART, and what was written to it before there was a log.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU16, Ordering};
use kernel_core::machine::spcr::SerialConsole;
use spin::Mutex;
use uart_16550::backend::PioBackend;
use uart_16550::{Config, Uart16550};

/// First port of a PC's first UART.
const FIRST_UART: u16 = 0x3f8;
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

/// First port of the UART, which a panic finds here without the lock.
static FIRST_PORT: AtomicU16 = AtomicU16::new(FIRST_UART);

/// Finds and sets up the first UART.
pub fn init() {
    CONSOLE.lock().uart = uart(FIRST_UART);
}

/// Goes on where the firmware has its console, with all that was said so far.
pub fn follow(firmware: Option<SerialConsole>) {
    let port = match firmware {
        None => return,
        Some(SerialConsole::Port(port)) if port == first_port() => return,
        Some(SerialConsole::Port(port)) => port,
        Some(unserved) => {
            return crate::log!("boot: the firmware's console is a {unserved}, which the kernel does not serve");
        }
    };
    match uart(port) {
        Some(uart) => {
            crate::log!("boot: the console goes on at I/O port {port:#x}, where the firmware has it");
            CONSOLE.lock().move_to(uart);
            FIRST_PORT.store(port, Ordering::Relaxed);
        }
        None => crate::log!("boot: the firmware's console at I/O port {port:#x} does not answer"),
    }
}

/// First port of the UART.
pub fn first_port() -> u16 {
    FIRST_PORT.load(Ordering::Relaxed)
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

/// Writes as much of a text as the UART takes without waiting; how many bytes.
pub fn write_some(text: &[u8]) -> usize {
    let mut console = CONSOLE.lock();
    let Some(uart) = &mut console.uart else { return text.len() };
    let mut sent = 0;
    for &byte in text {
        let line_end: &[u8] = if byte == b'\n' { b"\r" } else { b"" };
        if uart.send_bytes(line_end) < line_end.len() || uart.send_bytes(&[byte]) == 0 {
            break;
        }
        sent += 1;
    }
    sent
}

/// Gives the lines written so far to `line`, one by one.
pub fn replay(line: impl FnMut(&str)) {
    CONSOLE.lock().early_text().lines().for_each(line);
}

/// Takes the UART back from whoever has it, and the screen, for the last words of the kernel.
pub fn last_words(words: fmt::Arguments) {
    if let Some(uart) = uart(first_port()) {
        let _ = writeln!(LastWords(uart), "{words}");
    }
    crate::screen::last_words(words);
}

/// Writes a line to the console before the core's log exists.
#[macro_export]
macro_rules! log {
    ($($argument:tt)*) => { $crate::console::write_line(format_args!($($argument)*)) };
}

fn uart(first_port: u16) -> Option<Uart16550<PioBackend>> {
    // SAFETY: at boot the kernel owns the UART's ports, and in a panic it takes them back.
    let mut uart = unsafe { Uart16550::new_port(first_port) }.ok()?;
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

impl Console {
    /// What was written so far, as far as it was kept.
    fn early_text(&self) -> &str {
        let text = self.early.get(..self.early_bytes).unwrap_or_default();
        str::from_utf8(text).unwrap_or_else(|error| {
            text.get(..error.valid_up_to()).and_then(|valid| str::from_utf8(valid).ok()).unwrap_or_default()
        })
    }

    /// Says everything again at this UART, and stays there.
    fn move_to(&mut self, mut uart: Uart16550<PioBackend>) {
        send(&mut uart, self.early_text());
        self.uart = Some(uart);
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
