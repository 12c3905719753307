//! Says what it holds, and uses the slot `clock` if that was granted.
use std::process::ExitCode;

use capos_service::{Context, Failure, RingCall};
use schema::clock_capnp::clock;

const NANOSECONDS_PER_SECOND: u64 = 1_000_000_000;

async fn greet(context: Context) -> Result<(), Failure> {
    let mut slots: Vec<_> = context.granted().map(|(name, _)| name).collect();
    slots.sort_unstable();
    let noun = if slots.len() == 1 { "capability" } else { "capabilities" };
    println!("Hello! I hold {} {noun} of yours: {}.", slots.len(), slots.join(", "));
    if !context.has("clock") {
        return Err("error: the slot \"clock\" was not granted. Write: spawn hello clock=@clock …".into());
    }
    let clock: clock::Client = context.take("clock")?;
    let seconds = clock.now_request().call()?.get()?.get_nanoseconds() / NANOSECONDS_PER_SECOND;
    println!("The clock says that the system has been up for {seconds} seconds.");
    Ok(())
}

fn main() -> ExitCode {
    capos_service::run(greet)
}
