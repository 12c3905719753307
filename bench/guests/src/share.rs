//! Processor time by the numbers that a benchmark needs: on which processors a thread runs, and how soon.

use capos_abi::handle::Handle;
use capos_abi::interface::scheduling_context::{ID, bind};
use capos_abi::startup::slot as own;
use capos_rt::raw::{self, Message};
use capos_rt::startup;
use capos_service::{Failure, RingCall, export, slot};
use schema::ledger_capnp::ledger;
use schema::scheduling_capnp::scheduling_authority;

/// The shortest slice, in nanoseconds: threads that run for so short a time run soon.
pub const SHORTEST_SLICE: u64 = 100_000;
/// The slice of a thread that is bound to nothing.
pub const ORDINARY_SLICE: u64 = 5_000_000;

/// A scheduling context of this program, which lasts as long as it does.
pub fn context(slice: u64, processors: u64) -> Result<Handle, Failure> {
    let authority: scheduling_authority::Client = slot("scheduling")?;
    let mut request = authority.create_request();
    let mut numbers = request.get();
    numbers.set_ledger(slot::<ledger::Client>(own::LEDGER)?);
    numbers.set_slice(slice);
    numbers.set_processors(processors);
    let made = request.call()?.get()?.get_context()?;
    Ok(export(made)?)
}

/// Lets a thread run on a context from now on; whether it does.
pub fn run_on(context: Handle, thread: Handle) -> bool {
    let message = Message::new(bind::params::SHAPE).set_capability(bind::params::THREAD, thread);
    raw::call(context, ID, bind::METHOD, &message, 0).is_ok()
}

/// Keeps the main thread on one processor.
pub fn stay_on(processor: u32) -> Result<(), Failure> {
    let thread = startup::capability(own::THREAD).ok_or("every program has its main thread")?;
    match run_on(context(ORDINARY_SLICE, 1 << processor)?, thread.handle) {
        true => Ok(()),
        false => Err(format!("the main thread cannot be kept on processor {processor}").into()),
    }
}
