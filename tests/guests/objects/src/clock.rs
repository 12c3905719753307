//! `Clock`: time goes on, and the date is one of this century.

use crate::Check;
use crate::verify::holds;
use capos_service::{Failure, RingCall, slot};
use schema::clock_capnp::clock;
use std::thread::sleep;
use std::time::Duration;

pub const CHECKS: &[Check] = &[("Clock.now", now), ("Clock.date", date)];

/// Nanoseconds from the start of 1970 to a day before this check was written, and to one long after.
const YEARS: std::ops::Range<u64> = 1_750_000_000_000_000_000..4_100_000_000_000_000_000;
/// How long to wait between two looks.
const MOMENT: Duration = Duration::from_millis(2);

fn now() -> Result<(), Failure> {
    let clock: clock::Client = slot("clock")?;
    let read = || Ok::<_, Failure>(clock.now_request().call()?.get()?.get_nanoseconds());
    let before = read()?;
    sleep(MOMENT);
    holds("who has slept so long finds it later by that", read()? >= before + MOMENT.as_nanos() as u64)
}

fn date() -> Result<(), Failure> {
    let clock: clock::Client = slot("clock")?;
    let read = || Ok::<_, Failure>(clock.date_request().call()?.get()?.get_nanoseconds());
    let before = read()?;
    holds("the date is one of these years", YEARS.contains(&before))?;
    holds("it goes on", read()? > before)
}
