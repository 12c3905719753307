//! Futexes, on which std builds its locks.
use super::time::{deadline, span};
use crate::futex::{self, FOREVER, Outcome};
use core::sync::atomic::AtomicU32;
use hermit_abi::errno::{EINVAL, ETIMEDOUT};
use hermit_abi::{FUTEX_RELATIVE_TIMEOUT, timespec};

#[unsafe(no_mangle)]
unsafe extern "C" fn sys_futex_wait(word: *mut u32, expected: u32, timeout: *const timespec, flags: u32) -> i32 {
    if word.is_null() || flags & !FUTEX_RELATIVE_TIMEOUT != 0 {
        return -EINVAL;
    }
    // SAFETY: null, or the caller's time.
    let until = match unsafe { timeout.as_ref() }.map(span) {
        None => FOREVER,
        Some(None) => return -EINVAL,
        Some(Some(time)) if flags & FUTEX_RELATIVE_TIMEOUT != 0 => deadline(time),
        Some(Some(time)) => time.max(1),
    };
    // SAFETY: the caller's word is a live atomic.
    match futex::wait(unsafe { AtomicU32::from_ptr(word) }, expected, until) {
        Outcome::TimedOut => -ETIMEDOUT,
        Outcome::Woken | Outcome::Changed => 0,
    }
}

#[unsafe(no_mangle)]
extern "C" fn sys_futex_wake(word: *mut u32, count: i32) -> i32 {
    let Ok(limit) = usize::try_from(count) else { return -EINVAL };
    if word.is_null() {
        return -EINVAL;
    }
    let limit = if count == i32::MAX { usize::MAX } else { limit };
    i32::try_from(futex::wake(word as usize, limit)).unwrap_or(i32::MAX)
}
