//! Values that belong to one owner and are lent to several processors, which use them one at a time.
//!
//! Who has a [`Slot`] for itself uses what is in it as if there were no lock. Who borrows it mutably may lend it instead: the
//! borrow becomes a [`Lent`], which many can hold, and each use of the value takes its lock. While it is lent, the owner has
//! nothing but the borrow, so nobody reaches the value without the lock.
//!
//! A lock is only tried, never awaited: who holds one may try others in any order.

use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};

/// A value and its lock. Two of them share no cache line, so that processors do not wait for each other's.
#[repr(C, align(64))]
pub struct Slot<T> {
    is_taken: AtomicBool,
    value: T,
}

impl<T> Slot<T> {
    /// A value that nobody uses.
    pub const fn new(value: T) -> Slot<T> {
        Slot { is_taken: AtomicBool::new(false), value }
    }

    /// The value; it is lent no more.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T> Deref for Slot<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Slot<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

/// A slot that was lent.
#[repr(transparent)]
pub struct Lent<T>(UnsafeCell<Slot<T>>);

// SAFETY: the value is reached only through a `Taken`, of which there is one at a time.
unsafe impl<T: Send> Sync for Lent<T> {}

impl<T> Lent<T> {
    /// Lends slots for as long as they are borrowed.
    pub fn lend(slots: &mut [Slot<T>]) -> &[Lent<T>] {
        let slots: *mut [Slot<T>] = slots;
        // SAFETY: a `Lent` is laid out like its slot, and the owner reaches none of them during the borrow.
        unsafe { &*(slots as *const [Lent<T>]) }
    }

    /// The value, unless somebody uses it.
    #[inline]
    pub fn take(&self) -> Option<Taken<'_, T>> {
        let slot = self.0.get();
        // SAFETY: of the slot, nobody borrows the lock but like this.
        let is_taken = unsafe { &(*slot).is_taken };
        if is_taken.swap(true, Ordering::Acquire) {
            return None;
        }
        // SAFETY: as long as the lock is held nobody else reaches the value, and this borrows it alone, not the lock beside it.
        let value = unsafe { NonNull::from(&mut (*slot).value) };
        Some(Taken { value, held: Held(is_taken), lifetime: PhantomData })
    }
}

/// The lock of a value in use.
struct Held<'a>(&'a AtomicBool);

impl Drop for Held<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// A lent value in use, or a part of one.
pub struct Taken<'a, T> {
    value: NonNull<T>,
    held: Held<'a>,
    lifetime: PhantomData<&'a mut T>,
}

// SAFETY: it is a mutable borrow of the value.
unsafe impl<T: Sync> Sync for Taken<'_, T> {}

impl<'a, T> Taken<'a, T> {
    /// A part of the value, if there is one; otherwise the value is not used any more.
    #[inline]
    pub fn part<U>(mut self, part: impl FnOnce(&mut T) -> Option<&mut U>) -> Option<Taken<'a, U>> {
        let value = NonNull::from(part(&mut self)?);
        Some(Taken { value, held: self.held, lifetime: PhantomData })
    }
}

impl<T> Deref for Taken<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this holds the lock.
        unsafe { self.value.as_ref() }
    }
}

impl<T> DerefMut for Taken<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`.
        unsafe { self.value.as_mut() }
    }
}
