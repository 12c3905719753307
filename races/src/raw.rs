//! The kernel as a thread that blocks sees it: each thread has a notification, on which it waits and which others signal.

use crate::thread::own_handle;
use capos_abi::handle::Handle;
use loom::lazy_static;
use loom::sync::{Condvar, Mutex};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Threads of a model at most.
const THREADS: usize = 4;

/// A thread's notification.
struct Notification {
    bits: Mutex<u64>,
    changed: Condvar,
}

lazy_static! {
    static ref NOTIFICATIONS: [Notification; THREADS] =
        std::array::from_fn(|_| Notification { bits: Mutex::new(0), changed: Condvar::new() });
}

/// Threads that wait at the moment. Loom need not know: it is for models, not for what they show.
static ASLEEP: AtomicUsize = AtomicUsize::new(0);

/// Lets other threads run, in one order, until so many of them wait.
pub fn await_asleep(threads: usize) {
    loom::stop_exploring();
    while ASLEEP.load(Ordering::Relaxed) < threads {
        loom::thread::yield_now();
    }
    loom::explore();
}

/// The deadline has passed.
#[derive(Debug)]
pub struct TimedOut;

/// Waits for bits of the own notification and takes them. With a deadline, no time is left at all.
pub fn wait(_: Handle, bits: u64, deadline: u64) -> Result<u64, TimedOut> {
    let own = &NOTIFICATIONS[own_handle() as usize];
    let mut set = own.bits.lock().expect("no thread has panicked");
    loop {
        let taken = *set & bits;
        *set &= !bits;
        match taken {
            0 if deadline != 0 => return Err(TimedOut),
            0 => {
                ASLEEP.fetch_add(1, Ordering::Relaxed);
                set = own.changed.wait(set).expect("no thread has panicked");
                ASLEEP.fetch_sub(1, Ordering::Relaxed);
            }
            taken => return Ok(taken),
        }
    }
}

/// Sets bits of a thread's notification; the kernel may do so at any time.
pub fn post_signal(thread: Handle, bits: u64) {
    signal(thread, bits);
}

/// Sets bits of a thread's notification.
pub fn signal(thread: Handle, bits: u64) {
    let notification = &NOTIFICATIONS[thread as usize];
    *notification.bits.lock().expect("no thread has panicked") |= bits;
    notification.changed.notify_one();
}
