//! Does the work whose speed-up is measured, in a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    if bench_guests::work::work() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
