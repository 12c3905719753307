//! QEMU's machine protocol (QMP): what is done to a machine from outside, such as stopping it, reading its memory or
//! injecting an NMI.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Error, Result, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How often a connection is tried while QEMU starts, 10 ms apart.
const ATTEMPTS: u32 = 1000;

/// A connection to a running QEMU.
pub struct Qmp {
    stream: BufReader<UnixStream>,
}

impl Qmp {
    /// Connects to the socket at `path`, waiting until QEMU has made it. An answer may take as long as `patience`.
    pub fn connect(path: &Path, patience: Duration) -> Result<Qmp> {
        let mut attempts = 0..ATTEMPTS;
        let stream = loop {
            match UnixStream::connect(path) {
                Ok(stream) => break stream,
                Err(error) if attempts.next().is_none() => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        stream.set_read_timeout(Some(patience))?;
        let mut qmp = Qmp { stream: BufReader::new(stream) };
        qmp.receive()?;
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Executes a command and returns its result.
    pub fn execute(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let request = json!({ "execute": command, "arguments": arguments });
        writeln!(self.stream.get_mut(), "{request}")?;
        loop {
            let mut answer = self.receive()?;
            if answer.get("return").is_some() {
                return Ok(answer["return"].take());
            }
            if let Some(error) = answer.get("error") {
                return Err(Error::other(format!("QMP {command}: {error}")));
            }
        }
    }

    /// Has QEMU's monitor for people execute a command, and returns what it says.
    pub fn monitor(&mut self, command: &str) -> Result<String> {
        let answer = self.execute("human-monitor-command", json!({ "command-line": command }))?;
        Ok(answer.as_str().unwrap_or_default().to_owned())
    }

    /// Copies physical memory, by way of the file `dump`.
    pub fn memory(&mut self, address: u64, bytes: u64, dump: &Path) -> Result<Vec<u8>> {
        self.execute("pmemsave", json!({ "val": address, "size": bytes, "filename": dump.display().to_string() }))?;
        std::fs::read(dump)
    }

    fn receive(&mut self) -> Result<Value> {
        let mut line = String::new();
        match self.stream.read_line(&mut line)? {
            0 => Err(Error::other("QEMU closed the QMP connection")),
            _ => Ok(serde_json::from_str(&line)?),
        }
    }
}
