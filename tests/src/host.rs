//! A program on the host that works with a machine: it must end well and in time.

use crate::serial::Serial;
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Runs the program until it ends, and returns what it said; `log` keeps that. Fails with a sentence.
pub(crate) fn run(command: &mut Command, log: &Path, patience: Duration) -> Result<String, String> {
    let errors = log.with_added_extension("errors");
    let (mut child, said) =
        start(command, log, &errors).map_err(|error| format!("{:?} does not start: {error}", command.get_program()))?;
    let in_time = said.wait_closed(patience);
    // Kills only a program that hangs; one that has closed its output is about to end.
    let status = if in_time { child.wait() } else { child.kill().and_then(|()| child.wait()) };
    let status = status.map_err(|error| error.to_string())?;
    if status.success() {
        return Ok(said.all());
    }
    let end = if in_time { format!("ended with {status}") } else { format!("did not end within {patience:?}") };
    let errors = std::fs::read_to_string(errors).unwrap_or_default();
    Err(format!("it {end} and said: {}{errors}", said.all()))
}

fn start(command: &mut Command, log: &Path, errors: &Path) -> io::Result<(Child, Serial)> {
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(errors)?);
    let mut child = command.spawn()?;
    let said = child.stdout.take().ok_or_else(|| io::Error::other("no output"))?;
    Ok((child, Serial::listen(said, File::create(log)?)))
}
