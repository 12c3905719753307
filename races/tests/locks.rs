//! Locks: one holder at a time, who sees what the last one wrote, and no waiter is forgotten.

use loom::cell::UnsafeCell;
use races::kernel_lock::{KernelLock, Lend};
use races::slot::{Lent, Slot};
use races::sync::atomic::{AtomicU32, Ordering};
use races::thread::spawn;
use races::{futex, lock, model};
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

/// A number that is lent.
struct Account([Slot<Number>; 1]);

impl Account {
    /// A lock for two processors, which has something to lend.
    fn locked(number: Number) -> &'static KernelLock<Account> {
        let lock: &'static KernelLock<Account> = Box::leak(Box::new(KernelLock::new(Account([Slot::new(number)]), 2)));
        drop(lock.lock());
        lock
    }

    fn number(&self) -> &Number {
        let [number] = &self.0;
        number
    }
}

impl Lend for Account {
    type Lent<'a> = &'a [Lent<Number>];

    fn lend(&mut self) -> &[Lent<Number>] {
        Lent::lend(&mut self.0)
    }
}

/// Adds 1 alone.
fn add_alone(lock: &'static KernelLock<Account>) -> u32 {
    let account = lock.lock();
    account.number().add();
    account.number().get()
}

/// Adds 1 beside the other processor, or alone if it uses the number.
fn add_beside(lock: &'static KernelLock<Account>, processor: usize) {
    let shared = lock.share(processor).expect("there are two processors");
    let has_added = shared.lent().first().and_then(Lent::take).map(|number| number.add()).is_some();
    drop(shared);
    if !has_added {
        add_alone(lock);
    }
}

#[test]
fn the_kernel_lock_excludes() {
    counts(2, Account::locked, |lock| add_alone(lock));
}

#[test]
fn a_kernel_lock_that_is_only_tried_excludes() {
    counts(2, Account::locked, |lock| {
        // Whoever finds it held waits after all, as a processor that finds nothing to do waits for an interrupt.
        let account = lock.try_lock().unwrap_or_else(|| lock.lock());
        account.number().add();
        account.number().get()
    });
}

#[test]
fn processors_beside_each_other_use_a_value_one_at_a_time_and_not_while_one_is_alone() {
    for alone in [false, true] {
        model(move || {
            let lock = Account::locked(Number(UnsafeCell::new(0)));
            add_beside(lock, 0);
            let other = spawn(1, move || add_beside(lock, 1));
            if alone {
                add_alone(lock);
            } else {
                add_beside(lock, 0);
            }
            other.join().expect("it ends");
            assert_eq!(add_alone(lock), 4);
        });
    }
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
