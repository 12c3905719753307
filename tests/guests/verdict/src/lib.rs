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
    end_machine(context, 0).await
}

/// Says how it went, and ends the machine: with code 1 if something did not hold.
pub async fn conclude(context: &Context, outcome: Result<(), Failure>) -> Result<(), Failure> {
    let Err(failure) = outcome else { return complete(context).await };
    println!("{}", failure.text());
    end_machine(context, 1).await
}

async fn end_machine(context: &Context, code: u8) -> Result<(), Failure> {
    let mut request = context.take::<system_control::Client>("system")?.shutdown_request();
    request.get().set_code(code);
    request.send().promise.await?;
    Ok(())
}
