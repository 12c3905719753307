//! What guest programs of tests say about what they have checked; the harness waits for these lines.

use capos_service::{Context, Failure};
use schema::system_control_capnp::system_control;

/// Says that something holds; an error if it does not.
pub fn check(what: &str, holds: bool) -> Result<(), Failure> {
    if !holds {
        return Err(format!("{what}: does not hold").into());
    }
    println!("{what}: ok");
    Ok(())
}

/// Says that every check held, and ends the machine.
pub async fn complete(context: &Context) -> Result<(), Failure> {
    println!("tests complete");
    let system: system_control::Client = context.take("system")?;
    system.shutdown_request().send().promise.await?;
    Ok(())
}
