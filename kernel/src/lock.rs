//! The kernel lock: held from every entry into the kernel to its exit.

use crate::mm::shootdown;
use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU32, Ordering};

/// A lock that serves processors in the order of their arrival. Interrupts are off while it is held and awaited, so a
/// waiting processor answers requests to drop translations itself.
pub struct KernelLock<T> {
    next_ticket: AtomicU32,
    serving: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached only by the holder of the lock.
unsafe impl<T: Send> Sync for KernelLock<T> {}

impl<T> KernelLock<T> {
    /// A free lock.
    pub const fn new(value: T) -> KernelLock<T> {
        KernelLock { next_ticket: AtomicU32::new(0), serving: AtomicU32::new(0), value: UnsafeCell::new(value) }
    }

    /// Waits for the lock.
    pub fn lock(&self) -> Guard<'_, T> {
        let ticket = self.next_ticket.fetch_add(1, Ordering::Relaxed);
        while self.serving.load(Ordering::Acquire) != ticket {
            shootdown::serve();
            core::hint::spin_loop();
        }
        Guard { lock: self }
    }
}

/// The lock is held as long as this lives.
pub struct Guard<'a, T> {
    lock: &'a KernelLock<T>,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the guard holds the lock.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard holds the lock.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        let served = self.lock.serving.load(Ordering::Relaxed);
        self.lock.serving.store(served.wrapping_add(1), Ordering::Release);
    }
}
