//! Time, for programs that were given a clock.
use crate::{RingCall, slot};
use capnp::Result;
use schema::clock_capnp::clock;
use std::time::Duration;

/// Slot of the clock.
const CLOCK: &str = "clock";

/// Nanoseconds since the kernel started.
pub fn now() -> Result<u64> {
    slot::<clock::Client>(CLOCK)?.now_request().call()?.get().map(|now| now.get_nanoseconds())
}

/// The time after `duration`, as deadlines are given.
pub fn deadline_in(duration: Duration) -> Result<u64> {
    Ok(now()?.saturating_add(duration.as_nanos().try_into().unwrap_or(u64::MAX)))
}

/// Waits so long; other futures of the thread run meanwhile.
pub async fn sleep(duration: Duration) -> Result<()> {
    capos_rt::wait::until(deadline_in(duration)?).await;
    Ok(())
}
