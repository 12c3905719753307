//! The kernel lock: held from every entry into the kernel to its exit.

use crate::mm::shootdown;
use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicBool, Ordering};

/// A lock that any waiting processor may get next. It is unfair on purpose: a virtual processor whose turn it is may not be
/// running, and the others would wait for it.
///
/// Interrupts are off while it is held and awaited, so a waiting processor answers requests to drop translations itself.
pub struct KernelLock<T> {
    held: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached only by the holder of the lock.
unsafe impl<T: Send> Sync for KernelLock<T> {}

impl<T> KernelLock<T> {
    /// A free lock.
    pub const fn new(value: T) -> KernelLock<T> {
        KernelLock { held: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    /// Waits for the lock.
    pub fn lock(&self) -> Guard<'_, T> {
        while self.held.swap(true, Ordering::Acquire) {
            while self.held.load(Ordering::Relaxed) {
                shootdown::serve();
                core::hint::spin_loop();
            }
        }
        Guard { lock: self }
    }

    /// The value without the lock.
    ///
    /// # Safety
    /// Nobody uses the value any more, or ever again.
    pub unsafe fn peek(&self) -> &T {
        // SAFETY: the caller vouches for it.
        unsafe { &*self.value.get() }
    }

    /// The lock, if nobody holds it.
    pub fn try_lock(&self) -> Option<Guard<'_, T>> {
        (!self.held.swap(true, Ordering::Acquire)).then(|| Guard { lock: self })
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
        self.lock.held.store(false, Ordering::Release);
    }
}
