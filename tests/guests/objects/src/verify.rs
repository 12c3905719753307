//! What checks are made of: something holds, something is refused as it must be, something comes in the end.

use campaign::PATIENCE;
use capos_abi::status::Status;
use capos_service::{CallFailure, Failure};
use std::thread::sleep;
use std::time::Duration;

/// Time between two looks.
const INTERVAL: Duration = Duration::from_millis(1);

/// An error that says what does not hold.
pub fn holds(what: &str, holds: bool) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(format!("{what}: does not hold").into()) }
}

/// An error unless the kernel has refused this call with this status.
pub fn refused<T>(outcome: capnp::Result<T>, wanted: Status) -> Result<(), Failure> {
    match outcome {
        Ok(_) => Err(format!("accepted where status {wanted} was due").into()),
        Err(error) if CallFailure::of(&error).status == Some(wanted) => Ok(()),
        Err(error) => Err(format!("status {wanted} was due: {error}").into()),
    }
}

/// Waits until something is so. An error if it never is.
pub fn comes(what: &str, mut holds: impl FnMut() -> Result<bool, Failure>) -> Result<(), Failure> {
    for _ in 0..PATIENCE.as_millis() / INTERVAL.as_millis() {
        if holds()? {
            return Ok(());
        }
        sleep(INTERVAL);
    }
    Err(format!("{what}: never comes").into())
}
