//! Locks: one holder at a time, who sees what the last one wrote, and no waiter is forgotten.

use loom::cell::UnsafeCell;
use loom::thread::JoinHandle;
use races::kernel_lock::{KernelLock, Lend};
use races::slot::{Lent, Slot};
use races::sync::atomic::{AtomicU32, Ordering};
use races::thread::spawn;
use races::{futex, lock, model, raw};
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

/// Touches every bucket of the futex table that a word of this value may belong to: loom must know of what threads share before
/// there are two.
fn show_buckets<T>(value: &T) {
    let start = std::ptr::from_ref(value).addr();
    (start..start + size_of::<T>()).step_by(size_of::<u32>()).for_each(|address| _ = futex::wake(address, 1));
}

/// Lets `threads` threads add 1 under a lock, and looks at the sum.
fn counts<L: 'static>(threads: u64, new: fn(Number) -> L, add: fn(&L) -> u32) {
    model(move || {
        let lock = Rc::new(new(Number(UnsafeCell::new(0))));
        show_buckets(&*lock);
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

/// Adds 1 under a lock of the runtime.
fn add_locked(lock: &lock::Mutex<Number>) -> u32 {
    let number = lock.lock();
    number.add();
    number.get()
}

#[test]
fn the_runtimes_mutex_excludes() {
    counts(2, lock::Mutex::new, add_locked);
}

/// Starts a thread that adds 1 under a lock of the runtime.
fn spawn_adder(number: u64, lock: &Rc<lock::Mutex<Number>>) -> JoinHandle<()> {
    let lock = lock.clone();
    spawn(number, move || {
        add_locked(&lock);
    })
}

#[test]
fn the_runtimes_mutex_wakes_one_sleeper_after_the_other() {
    model(|| {
        let lock = Rc::new(lock::Mutex::new(Number(UnsafeCell::new(0))));
        show_buckets(&*lock);
        let held = lock.lock();
        let sleepers = [1, 2].map(|number| spawn_adder(number, &lock));
        raw::await_asleep(sleepers.len());
        drop(held);
        add_locked(&lock);
        sleepers.into_iter().for_each(|sleeper| sleeper.join().expect("it ends"));
        assert_eq!(add_locked(&lock), 4);
    });
}

#[test]
fn the_runtimes_mutex_wakes_a_sleeper_although_others_come() {
    model(|| {
        let lock = Rc::new(lock::Mutex::new(Number(UnsafeCell::new(0))));
        show_buckets(&*lock);
        let held = lock.lock();
        let sleeper = spawn_adder(1, &lock);
        raw::await_asleep(1);
        let other = spawn_adder(2, &lock);
        drop(held);
        [sleeper, other].into_iter().for_each(|thread| thread.join().expect("it ends"));
        assert_eq!(add_locked(&lock), 3);
    });
}

#[test]
fn a_wake_is_not_lost() {
    model(|| {
        let word = Rc::new(AtomicU32::new(0));
        show_buckets(&*word);
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
        show_buckets(&*word);
        let seen = word.clone();
        let waiter = spawn(1, move || {
            assert_ne!(futex::wait(&seen, 0, 1), futex::Outcome::Changed);
        });
        let woken = futex::wake(word.as_ptr().addr(), 1);
        waiter.join().expect("it ends");
        assert_eq!(futex::wake(word.as_ptr().addr(), 1), 0, "nobody waits any more; {woken} was woken");
    });
}
