//! Locks: one holder at a time, who sees what the last one wrote, and no waiter is forgotten.

use loom::cell::UnsafeCell;
use races::sync::atomic::{AtomicU32, Ordering};
use races::thread::spawn;
use races::{futex, kernel_lock, lock, model};
use std::rc::Rc;

/// A number that two threads must not touch at once.
struct Number(UnsafeCell<u32>);

// SAFETY: loom reports whoever touches it while another one may.
unsafe impl Send for Number {}

impl Number {
    fn add(&self) {
        // SAFETY: the pointer is used within the closure only.
        self.0.with_mut(|number| unsafe { *number += 1 });
    }

    fn get(&self) -> u32 {
        // SAFETY: as above.
        self.0.with(|number| unsafe { *number })
    }
}

/// As in `futex.rs`: loom complains if it is not.
const BUCKETS: usize = 64;

/// Touches every bucket of the futex table: loom must know of what threads share before there are two.
fn show_all_buckets() {
    let mut shown = [false; BUCKETS];
    for address in (0..).step_by(size_of::<u32>()).take_while(|address| *address < BUCKETS * 64) {
        let hash = (address as u64 >> 2).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        if !std::mem::replace(&mut shown[(hash >> 32) as usize % BUCKETS], true) {
            futex::wake(address, 1);
        }
    }
}

/// Lets `threads` threads add 1 under a lock, and looks at the sum.
fn counts<L: 'static>(threads: u64, new: fn(Number) -> L, add: fn(&L) -> u32) {
    model(move || {
        let lock = Rc::new(new(Number(UnsafeCell::new(0))));
        show_all_buckets();
        add(&lock);
        let all: Vec<_> = (1..threads)
            .map(|number| {
                let lock = lock.clone();
                spawn(number, move || {
                    add(&lock);
                })
            })
            .collect();
        add(&lock);
        all.into_iter().for_each(|thread| thread.join().expect("it ends"));
        assert_eq!(add(&lock), threads as u32 + 2);
    });
}

#[test]
fn the_kernel_lock_excludes() {
    counts(2, kernel_lock::KernelLock::new, |lock| {
        let number = lock.lock();
        number.add();
        number.get()
    });
}

#[test]
fn a_kernel_lock_that_is_only_tried_excludes() {
    counts(2, kernel_lock::KernelLock::new, |lock| {
        // Whoever finds it held waits after all, as a processor that finds nothing to do waits for an interrupt.
        let number = lock.try_lock().unwrap_or_else(|| lock.lock());
        number.add();
        number.get()
    });
}

#[test]
fn the_runtimes_spin_lock_excludes() {
    counts(2, lock::SpinLock::new, |lock| {
        let number = lock.lock();
        number.add();
        number.get()
    });
}

#[test]
fn the_runtimes_mutex_excludes_and_wakes() {
    counts(3, lock::Mutex::new, |lock| {
        let number = lock.lock();
        number.add();
        number.get()
    });
}

#[test]
fn a_wake_is_not_lost() {
    model(|| {
        let word = Rc::new(AtomicU32::new(0));
        show_all_buckets();
        let seen = word.clone();
        let waiter = spawn(1, move || {
            while seen.load(Ordering::Acquire) == 0 {
                futex::wait(&seen, 0, futex::FOREVER);
            }
        });
        word.store(1, Ordering::Release);
        futex::wake(word.as_ptr().addr(), 1);
        waiter.join().expect("it ends");
    });
}

#[test]
fn a_waiter_whose_time_is_up_leaves_nothing_behind() {
    model(|| {
        let word = Rc::new(AtomicU32::new(0));
        show_all_buckets();
        let seen = word.clone();
        let waiter = spawn(1, move || {
            assert_ne!(futex::wait(&seen, 0, 1), futex::Outcome::Changed);
        });
        let woken = futex::wake(word.as_ptr().addr(), 1);
        waiter.join().expect("it ends");
        assert_eq!(futex::wake(word.as_ptr().addr(), 1), 0, "nobody waits any more; {woken} was woken");
    });
}
