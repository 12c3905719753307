//! A program on the host that talks with the machine over its second serial line.

use crate::host;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tools::artifacts;

/// The last line of a peer that found what it wanted.
const COMPLETE: &str = "complete\n";

/// Runs `tests/peers/<name>.py` with a schema and the socket of a line. Fails, with a sentence, unless the peer says that
/// it is complete.
pub(crate) fn run(name: &str, schema: &str, line: &Path, log: &Path, patience: Duration) -> Result<(), String> {
    let source = artifacts::source();
    let mut python = Command::new("python3");
    python.env("PYTHONPATH", artifacts::python());
    python.arg(source.join("tests/peers").join(name).with_extension("py"));
    python.args([&source.join("schema").join(schema), line]);
    let said = host::run(&mut python, log, patience)?;
    if said.ends_with(COMPLETE) { Ok(()) } else { Err(format!("it said: {said}")) }
}
