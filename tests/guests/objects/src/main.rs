//! Calls every method of every kernel object, and sees what a program sees of it; provokes every status of the ring.
//!
//! One file for each file of `schema/kernel`, with a table of its methods; `statuses.rs` has the table of the statuses. `make
//! check-objects` compares the tables with the schema and the ABI. Without an argument, everything is checked in one run. An argument names
//! one check: of those, too, that end the machine or need a machine of another kind.

mod clock;
mod desk;
mod endpoint;
mod entropy;
mod handle_manager;
mod interrupt;
mod io_ports;
mod kernel_log;
mod ledger;
mod memory_object;
mod notification;
mod null;
mod process;
mod puppet;
mod scheduling;
mod session;
mod statuses;
mod system_control;
mod thread;
mod verify;
mod virtual_memory;

use capos_service::Failure;
use std::process::ExitCode;
use verdict::conclude;

/// What is shown, a method or a status, and the function that shows it.
type Check = (&'static str, fn() -> Result<(), Failure>);

/// What is checked in one run.
const TOGETHER: &[&[Check]] = &[
    clock::CHECKS,
    endpoint::CHECKS,
    entropy::CHECKS,
    handle_manager::CHECKS,
    interrupt::CHECKS,
    io_ports::CHECKS,
    kernel_log::CHECKS,
    ledger::CHECKS,
    memory_object::CHECKS,
    notification::CHECKS,
    null::CHECKS,
    process::CHECKS,
    scheduling::CHECKS,
    session::CHECKS,
    system_control::CHECKS,
    thread::CHECKS,
    virtual_memory::CHECKS,
    statuses::CHECKS,
];

/// What needs a machine of its own.
const ALONE: &[&[Check]] = &[system_control::ALONE, statuses::ALONE];

fn main() -> ExitCode {
    let wanted = std::env::args().nth(1);
    if wanted.as_deref() == Some(statuses::CALLER) {
        return statuses::call_as_told();
    }
    capos_service::run(async |context| conclude(&context, check(wanted.as_deref())).await)
}

/// Checks what is wanted: one thing, or everything that goes together.
fn check(wanted: Option<&str>) -> Result<(), Failure> {
    let Some(wanted) = wanted else { return TOGETHER.iter().copied().flatten().try_for_each(run) };
    let mut known = TOGETHER.iter().chain(ALONE).copied().flatten();
    run(known.find(|(name, _)| *name == wanted).ok_or("there is no such check")?)
}

/// Each check has a thread, and so a ring, to itself.
fn run((name, check): &Check) -> Result<(), Failure> {
    let outcome = std::thread::spawn(*check).join().map_err(|_| format!("{name}: panicked"))?;
    outcome.map_err(|failure| format!("{name}: {}", failure.text()))?;
    println!("{name}: ok");
    Ok(())
}
