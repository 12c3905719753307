//! The terminal connected to its serial port.
use std::cell::RefCell;

use async_lock::Mutex;
use capnp::{ErrorKind, Result};
use console::terminal::Terminal;
use event_listener::Event;
use schema::serial_port_capnp::serial_port;

/// Bytes that one `SerialPort.write` takes.
const WRITE_BYTES: usize = 2048;
/// Bytes asked of one `SerialPort.read`.
const READ_BYTES: u32 = 256;

/// The terminal and the line that it is connected to.
pub struct Console {
    /// The terminal.
    pub terminal: RefCell<Terminal>,
    serial: serial_port::Client,
    typed: Event,
    /// Held by the one who reads.
    pub reading: Mutex<()>,
    writing: Mutex<()>,
}

impl Console {
    /// A terminal on this serial port.
    pub fn new(serial: serial_port::Client) -> Self {
        Self {
            terminal: RefCell::default(),
            serial,
            typed: Event::new(),
            reading: Mutex::new(()),
            writing: Mutex::new(()),
        }
    }

    /// Sends what the screen should receive, one sender at a time.
    pub async fn flush(&self) -> Result<()> {
        let _turn = self.writing.lock().await;
        let text = self.terminal.borrow_mut().take_screen();
        for chunk in text.as_bytes().chunks(WRITE_BYTES) {
            let mut request = self.serial.write_request();
            request.get().set_data(chunk);
            request.send().promise.await?;
        }
        Ok(())
    }

    /// Shows text.
    pub async fn write(&self, text: &str) -> Result<()> {
        self.terminal.borrow_mut().write(text);
        self.flush().await
    }

    /// Waits until `look` finds something in what was typed.
    pub async fn await_typed<T>(&self, mut look: impl FnMut(&mut Terminal) -> Option<T>) -> Result<T> {
        loop {
            let typed = self.typed.listen();
            let found = look(&mut self.terminal.borrow_mut());
            self.flush().await?;
            match found {
                Some(found) => return Ok(found),
                None => typed.await,
            }
        }
    }

    /// Types for ever what comes from the line.
    pub async fn keyboard(&self) -> Result<()> {
        loop {
            let mut request = self.serial.read_request();
            request.get().set_max_bytes(READ_BYTES);
            match request.send().promise.await {
                Ok(response) => self.terminal.borrow_mut().type_bytes(response.get()?.get_data()?),
                Err(error) if error.kind == ErrorKind::Disconnected => continue, // the driver comes back
                Err(error) => return Err(error),
            }
            self.typed.notify(usize::MAX);
            self.flush().await?;
        }
    }
}
