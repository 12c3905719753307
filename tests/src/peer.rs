//! A program on the host that talks with the machine over its second serial line.

use crate::serial::Serial;
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tools::artifacts;

/// The last line of a peer that found what it wanted.
const COMPLETE: &str = "complete\n";

/// Runs `tests/peers/<name>.py` with a schema and the socket of a line. Fails, with a sentence, unless the peer says that
/// it is complete.
pub(crate) fn run(name: &str, schema: &str, line: &Path, log: &Path, patience: Duration) -> Result<(), String> {
    let errors = log.with_extension("peer-errors");
    let (mut child, said) =
        start(name, schema, line, log, &errors).map_err(|error| format!("python3 does not start: {error}"))?;
    let in_time = said.wait_closed(patience);
    // Kills only a peer that hangs; one that has closed its output is about to end.
    let status = if in_time { child.wait() } else { child.kill().and_then(|()| child.wait()) };
    let status = status.map_err(|error| error.to_string())?;
    if status.success() && said.all().ends_with(COMPLETE) {
        return Ok(());
    }
    let end = if in_time { format!("ended with {status}") } else { format!("did not end within {patience:?}") };
    let errors = std::fs::read_to_string(errors).unwrap_or_default();
    Err(format!("it {end} and said: {}{errors}", said.all()))
}

fn start(name: &str, schema: &str, line: &Path, log: &Path, errors: &Path) -> io::Result<(Child, Serial)> {
    let source = artifacts::source();
    let mut child = Command::new("python3")
        .env("PYTHONPATH", artifacts::python())
        .arg(source.join("tests/peers").join(name).with_extension("py"))
        .args([&source.join("schema").join(schema), line])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(File::create(errors)?)
        .spawn()?;
    let said = child.stdout.take().ok_or_else(|| io::Error::other("no output"))?;
    Ok((child, Serial::listen(said, File::create(log)?)))
}
