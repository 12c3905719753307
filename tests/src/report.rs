//! What a failed test says: what went wrong, the command line, the last serial lines, where the whole log lies.

use std::fmt;
use std::path::PathBuf;
use tools::backtrace;

/// Serial lines that a report shows.
const TAIL_LINES: usize = 30;

/// The report of a failure.
pub struct Failure {
    /// What went wrong, in one sentence.
    pub what: String,
    /// The QEMU command line.
    pub command: String,
    /// What QEMU itself complained about.
    pub errors: String,
    /// Everything that the machine said.
    pub said: String,
    /// The file with every byte of the serial line.
    pub log: PathBuf,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let lines: Vec<&str> = self.said.lines().collect();
        let tail = &lines[lines.len().saturating_sub(TAIL_LINES)..];
        writeln!(f, "{}\n  command: {}\n  log:     {}", self.what, self.command, self.log.display())?;
        self.errors.lines().try_for_each(|line| writeln!(f, "  QEMU:    {line}"))?;
        writeln!(f, "  the last {} lines that the machine said:", tail.len())?;
        tail.iter().try_for_each(|line| writeln!(f, "  | {line}"))?;
        backtrace::explain(&self.said).map_or(Ok(()), |text| write!(f, "  what the addresses mean:\n{text}"))
    }
}

// `unwrap` shows a failure as a person should read it.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
