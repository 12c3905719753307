//! Shares the host's processors among the machines that run at once, so that tests in parallel don't starve each other.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

static IN_USE: Mutex<usize> = Mutex::new(0);
static RETURNED: Condvar = Condvar::new();

/// Processors of the host, lent to one machine.
pub struct Processors {
    count: usize,
}

impl Processors {
    /// Waits until `wanted` processors are free, or all of them if the host has fewer.
    pub fn take(wanted: u32) -> Processors {
        let all = std::thread::available_parallelism().map_or(1, |count| count.get());
        let count = all.min(wanted as usize);
        let enough = |in_use: &mut usize| *in_use + count > all;
        let mut in_use = RETURNED.wait_while(lock(), enough).unwrap_or_else(PoisonError::into_inner);
        *in_use += count;
        Processors { count }
    }
}

impl Drop for Processors {
    fn drop(&mut self) {
        *lock() -= self.count;
        RETURNED.notify_all();
    }
}

fn lock() -> MutexGuard<'static, usize> {
    IN_USE.lock().unwrap_or_else(PoisonError::into_inner)
}
