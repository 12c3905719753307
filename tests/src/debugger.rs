//! A debugger's side of gdb's remote protocol: enough to stop a machine at an instruction and to change its memory there.

use std::io::{BufReader, Error, Read, Result, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Bytes of memory in one packet at most: twice as many digits, fewer than QEMU's 4096.
const CHUNK_BYTES: usize = 1024;
/// A hardware breakpoint on one byte.
const BREAKPOINT: &str = "1";

/// A connection to a machine, which stands still as long as it is not told to go on.
pub struct Debugger {
    stream: BufReader<UnixStream>,
}

impl Debugger {
    /// Connects to the stub that listens at this path. An answer may take as long as `patience`.
    pub fn connect(path: &Path, patience: Duration) -> Result<Debugger> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(patience))?;
        Ok(Debugger { stream: BufReader::new(stream) })
    }

    /// Lets the machine run until a processor is about to execute the instruction at this address.
    pub fn run_to(&mut self, address: u64) -> Result<()> {
        self.accepted(&format!("Z{BREAKPOINT},{address:x},1"))?;
        let stop = self.ask("c")?;
        if !stop.starts_with('T') {
            return Err(refused("c", &stop));
        }
        self.accepted(&format!("z{BREAKPOINT},{address:x},1"))
    }

    /// A general register, by gdb's number of it.
    pub fn register(&mut self, number: usize) -> Result<u64> {
        let registers = self.bytes("g")?;
        let register = registers.as_chunks().0.get(number).ok_or_else(|| Error::other("there is no such register"))?;
        Ok(u64::from_le_bytes(*register))
    }

    /// Reads memory, at an address as the processor sees it.
    pub fn read(&mut self, address: u64, count: usize) -> Result<Vec<u8>> {
        let mut read = Vec::with_capacity(count);
        while read.len() < count {
            let wanted = CHUNK_BYTES.min(count - read.len());
            read.extend(self.bytes(&format!("m{:x},{wanted:x}", address + read.len() as u64))?);
        }
        Ok(read)
    }

    /// Writes memory, likewise.
    pub fn write(&mut self, address: u64, bytes: &[u8]) -> Result<()> {
        for (index, part) in bytes.chunks(CHUNK_BYTES).enumerate() {
            let digits: String = part.iter().map(|byte| format!("{byte:02x}")).collect();
            self.accepted(&format!("M{:x},{:x}:{digits}", address + (index * CHUNK_BYTES) as u64, part.len()))?;
        }
        Ok(())
    }

    /// Lets the machine go on by itself.
    pub fn detach(mut self) -> Result<()> {
        self.accepted("D")
    }

    fn accepted(&mut self, request: &str) -> Result<()> {
        let answer = self.ask(request)?;
        if answer == "OK" { Ok(()) } else { Err(refused(request, &answer)) }
    }

    /// An answer of bytes.
    fn bytes(&mut self, request: &str) -> Result<Vec<u8>> {
        let answer = self.ask(request)?;
        let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
        let bytes: Option<Vec<u8>> = answer.as_bytes().chunks(2).map(byte).collect();
        bytes.filter(|bytes| !bytes.is_empty()).ok_or_else(|| refused(request, &answer))
    }

    /// Sends a packet and returns the answer to it.
    fn ask(&mut self, request: &str) -> Result<String> {
        let sum = request.bytes().fold(0u8, u8::wrapping_add);
        write!(self.stream.get_mut(), "${request}#{sum:02x}")?;
        let mut answer = String::new();
        while self.byte()? != b'$' {}
        loop {
            match self.byte()? {
                b'#' => break,
                byte => answer.push(byte.into()),
            }
        }
        // The sum tells nothing on a socket.
        self.byte()?;
        self.byte()?;
        self.stream.get_mut().write_all(b"+")?;
        Ok(answer)
    }

    fn byte(&mut self) -> Result<u8> {
        let mut byte = [0];
        self.stream.read_exact(&mut byte)?;
        Ok(byte[0])
    }
}

fn refused(request: &str, answer: &str) -> Error {
    Error::other(format!("the machine answers {answer:?} to {request:?}"))
}
