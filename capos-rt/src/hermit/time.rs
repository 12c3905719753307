//! Time and date from the slot `clock`.
use super::error::number;
use crate::panic::fatal;
use crate::raw::{self, Failure};
use crate::{objects, startup};
use capos_abi::handle::NULL;
use capos_abi::status;
use hermit_abi::errno::{EINVAL, EPERM};
use hermit_abi::{CLOCK_MONOTONIC, CLOCK_REALTIME, timespec};

const NANOSECONDS_PER_SECOND: u64 = 1_000_000_000;
const NANOSECONDS_PER_MICROSECOND: u64 = 1_000;

/// The deadline that lies `nanoseconds` from now. Waiting for a time without a clock can neither succeed nor fail.
pub fn deadline(nanoseconds: u64) -> u64 {
    match now() {
        Some(Ok(now)) => now.saturating_add(nanoseconds),
        Some(Err(_)) => fatal("capos-rt: the capability `clock` does not answer"),
        None => fatal("capos-rt: waiting for a time needs the capability `clock`"),
    }
}

fn now() -> Option<Result<u64, Failure>> {
    startup::clock().map(objects::monotonic_nanoseconds)
}

fn sleep(nanoseconds: u64) {
    let deadline = deadline(nanoseconds);
    while raw::wait(NULL, 0, deadline).is_err_and(|failure| failure.status != status::DEADLINE) {}
}

/// The length of a time span that C gives; negative ones have none.
pub fn span(time: &timespec) -> Option<u64> {
    let seconds = u64::try_from(time.tv_sec).ok()?;
    let nanoseconds = u64::try_from(time.tv_nsec).ok()?;
    Some(seconds.saturating_mul(NANOSECONDS_PER_SECOND).saturating_add(nanoseconds))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sys_clock_gettime(clock: i32, time: *mut timespec) -> i32 {
    let read = match clock {
        CLOCK_REALTIME => objects::date_nanoseconds,
        CLOCK_MONOTONIC => objects::monotonic_nanoseconds,
        _ => return -EINVAL,
    };
    match startup::clock().map(read) {
        Some(Ok(nanoseconds)) => {
            let (seconds, rest) = (nanoseconds / NANOSECONDS_PER_SECOND, nanoseconds % NANOSECONDS_PER_SECOND);
            // SAFETY: the caller's place for the answer.
            unsafe { time.write(timespec { tv_sec: seconds as i64, tv_nsec: rest as i32 }) };
            0
        }
        Some(Err(failure)) => -number(failure),
        None => -EPERM,
    }
}

#[unsafe(no_mangle)]
extern "C" fn sys_usleep(microseconds: u64) {
    sleep(microseconds.saturating_mul(NANOSECONDS_PER_MICROSECOND));
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sys_nanosleep(time: *const timespec) -> i32 {
    // SAFETY: null, or the caller's time span.
    match unsafe { time.as_ref() }.and_then(span) {
        Some(nanoseconds) => {
            sleep(nanoseconds);
            0
        }
        None => -EINVAL,
    }
}
