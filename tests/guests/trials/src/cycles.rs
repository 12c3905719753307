//! The smallest program starts and exits, each time on a ledger of its own.

use crate::Trial;
use capos_service::Failure;
use capos_service::slot;
use capos_service::spawn::{Quota, Spawn};
use schema::process_capnp::process::Outcome;

/// What the program may use.
const QUOTA: Quota = Quota { frames: 512, handles: 16, objects: 8, threads: 1 };

/// Logarithms of the bytes of its ring area.
const RING_BITS: std::ops::RangeInclusive<u32> = 14..=20;

/// Starts it and waits for its end, so many times.
pub async fn run(trial: &Trial) -> Result<(), Failure> {
    let binary = slot("null-program")?;
    while trial.goes_on() {
        let ring_bytes = 1 << trial.random.borrow_mut().u32(RING_BITS);
        let process = Spawn::new(&binary, "null").quota(QUOTA).ring_bytes(ring_bytes).start().await?;
        let end = process.wait_request().send().promise.await?;
        let end = end.get()?;
        if (end.get_outcome()?, end.get_code()) != (Outcome::Exited, 0) {
            return Err("the smallest program did not exit with code 0".into());
        }
    }
    Ok(())
}
