//! The kernel as a thread that blocks sees it: each thread has a notification, on which it waits and which others signal.

use crate::thread::own_handle;
use capos_abi::handle::Handle;
use loom::lazy_static;
use loom::sync::{Condvar, Mutex};

/// Threads of a model at most.
const THREADS: usize = 4;

lazy_static! {
    static ref BITS: Mutex<[u64; THREADS]> = Mutex::new([0; THREADS]);
    static ref CHANGED: Condvar = Condvar::new();
}

/// The deadline has passed.
#[derive(Debug)]
pub struct TimedOut;

/// Waits for bits of the own notification and takes them. With a deadline, no time is left at all.
pub fn wait(_: Handle, bits: u64, deadline: u64) -> Result<u64, TimedOut> {
    let own = own_handle() as usize;
    let mut all = BITS.lock().expect("no thread has panicked");
    loop {
        let taken = all[own] & bits;
        all[own] &= !bits;
        match taken {
            0 if deadline != 0 => return Err(TimedOut),
            0 => all = CHANGED.wait(all).expect("no thread has panicked"),
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
    BITS.lock().expect("no thread has panicked")[thread as usize] |= bits;
    CHANGED.notify_all();
}
