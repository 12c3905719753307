//! Futexes in user space: threads that wait for a word to change park on their own notification.
//!
//! A waiter lies on its thread's stack and is linked into the bucket of the word's address. Whoever takes it out of the
//! bucket also sets `woken`; after that the waiter may be gone at any moment, so the waker has copied what it needs.
use crate::lock::SpinLock;
use crate::{raw, thread};
use capos_abi::handle::Handle;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// The deadline that never comes.
pub const FOREVER: u64 = 0;

/// Bit of a thread's own notification that wakes a parked thread.
const PARK_BIT: u64 = 1 << 63;
/// Lists of waiters; addresses are spread over them.
const BUCKETS: usize = 64;
/// Threads signalled in one go.
const BATCH: usize = 16;

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Somebody woke this thread.
    Woken,
    /// The word did not have the expected value.
    Changed,
    /// The deadline passed.
    TimedOut,
}

struct Waiter {
    address: usize,
    thread: Handle,
    woken: AtomicBool,
    next: *mut Waiter,
}

/// Waiters in the order in which they came.
struct Bucket {
    first: *mut Waiter,
    /// Where the next one is linked in; null: behind `first`, because there is none.
    last: *mut Waiter,
}

// SAFETY: waiters are linked, unlinked and read under the bucket's lock only, by whichever thread holds it.
unsafe impl Send for Bucket {}

static TABLE: [SpinLock<Bucket>; BUCKETS] =
    [const { SpinLock::new(Bucket { first: ptr::null_mut(), last: ptr::null_mut() }) }; BUCKETS];

/// Waits until the word is woken, if it has the expected value now. `deadline` is absolute in monotonic nanoseconds.
pub fn wait(word: &AtomicU32, expected: u32, deadline: u64) -> Outcome {
    let address = word.as_ptr() as usize;
    let mut waiter =
        Waiter { address, thread: thread::own_handle(), woken: AtomicBool::new(false), next: ptr::null_mut() };
    let waiter = &raw mut waiter;
    {
        let mut bucket = bucket(address).lock();
        if word.load(Ordering::SeqCst) != expected {
            return Outcome::Changed;
        }
        bucket.push(waiter);
    }
    // SAFETY: the waiter lives on this stack until it has been unlinked; others touch it only before that, under the lock.
    let woken = unsafe { &(*waiter).woken };
    while !woken.load(Ordering::Acquire) {
        if raw::wait(capos_abi::handle::NULL, PARK_BIT, deadline).is_err()
            && deadline != FOREVER
            && bucket(address).lock().remove(waiter)
        {
            return Outcome::TimedOut;
        }
    }
    Outcome::Woken
}

/// Wakes up to `count` threads that wait for the word at this address; answers how many.
pub fn wake(address: usize, count: usize) -> usize {
    if count == 1 { usize::from(wake_one(address)) } else { wake_by(raw::signal, address, count) }
}

/// Wakes the one that has waited longest for the word at this address; whether there is one.
fn wake_one(address: usize) -> bool {
    let thread = bucket(address).lock().pop(address);
    thread.inspect(|&thread| raw::signal(thread, PARK_BIT)).is_some()
}

/// The same for all that wait, when the calling thread enters the kernel next.
pub fn wake_at_next_entry(address: usize) {
    wake_by(raw::post_signal, address, usize::MAX);
}

fn wake_by(signal: impl Fn(Handle, u64), address: usize, count: usize) -> usize {
    let mut total = 0;
    while total < count {
        let (mut threads, mut taken) = ([capos_abi::handle::NULL; BATCH], 0);
        {
            let mut bucket = bucket(address).lock();
            for place in threads.iter_mut().take(count - total) {
                let Some(thread) = bucket.pop(address) else { break };
                *place = thread;
                taken += 1;
            }
        }
        threads[..taken].iter().for_each(|&thread| signal(thread, PARK_BIT));
        total += taken;
        if taken < BATCH {
            break;
        }
    }
    total
}

fn bucket(address: usize) -> &'static SpinLock<Bucket> {
    // The golden ratio spreads neighbouring words over the table.
    let hash = (address as u64 >> 2).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    &TABLE[(hash >> 32) as usize % BUCKETS]
}

impl Bucket {
    fn push(&mut self, waiter: *mut Waiter) {
        match self.last.is_null() {
            true => self.first = waiter,
            // SAFETY: every linked waiter is alive, and the lock is held.
            false => unsafe { (*self.last).next = waiter },
        }
        self.last = waiter;
    }

    /// Unlinks this waiter; false if somebody did before.
    fn remove(&mut self, waiter: *mut Waiter) -> bool {
        self.unlink(|found| found == waiter).is_some()
    }

    /// Unlinks the first waiter for this address and marks it woken.
    fn pop(&mut self, address: usize) -> Option<Handle> {
        // SAFETY: linked waiters are alive.
        let waiter = self.unlink(|found| unsafe { (*found).address == address })?;
        // SAFETY: it stays alive until `woken` is set, which is the last access.
        unsafe {
            let thread = (*waiter).thread;
            (*waiter).woken.store(true, Ordering::Release);
            Some(thread)
        }
    }

    fn unlink(&mut self, is_wanted: impl Fn(*mut Waiter) -> bool) -> Option<*mut Waiter> {
        let (mut link, mut before): (*mut *mut Waiter, *mut Waiter) = (&mut self.first, ptr::null_mut());
        // SAFETY: every linked waiter is alive, and the lock is held.
        unsafe {
            while !(*link).is_null() {
                let found = *link;
                if is_wanted(found) {
                    *link = (*found).next;
                    if self.last == found {
                        self.last = before;
                    }
                    return Some(found);
                }
                (link, before) = (&raw mut (*found).next, found);
            }
        }
        None
    }
}
