//! The kernel lock: held from every entry into the kernel to its exit, by one processor or by several beside each other.
//!
//! Each processor has a lock of its own. Who takes only that works beside the others, with what the value lends; who takes
//! those of all processors has the value for itself.

use crate::mm::shootdown;
use crate::processors;
use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicBool, Ordering};

/// What several processors can use at once.
pub trait Lend: 'static {
    /// The value as each of them sees it.
    type Lent<'a>: Sync;

    /// Lends the value for as long as it is borrowed.
    fn lend(&mut self) -> Self::Lent<'_>;
}

/// The lock of one processor, in a cache line of its own.
///
/// Any waiting processor may get it next. It is unfair on purpose: a virtual processor whose turn it is may not be
/// running, and the others would wait for it. Interrupts are off while it is held and awaited, so a waiting processor answers
/// requests to drop translations itself.
#[repr(align(64))]
struct Lane(AtomicBool);

impl Lane {
    fn lock(&self) {
        while !self.try_lock() {
            while self.0.load(Ordering::Relaxed) {
                shootdown::serve();
                core::hint::spin_loop();
            }
        }
    }

    fn try_lock(&self) -> bool {
        !self.0.swap(true, Ordering::Acquire)
    }

    fn unlock(&self) {
        self.0.store(false, Ordering::Release);
    }
}

/// A value that processors use alone or beside each other. It is locked where it stays for ever: what is lent of it points into it.
pub struct KernelLock<T: Lend> {
    lanes: [Lane; processors::MAX],
    /// Processors that there are.
    count: usize,
    value: UnsafeCell<T>,
    /// What is lent of the value while nobody has it for itself; nothing before somebody has had it.
    lent: UnsafeCell<Option<T::Lent<'static>>>,
}

// SAFETY: the value is reached only by the holder of all lanes; what is lent of it by holders of one, and only to read.
unsafe impl<T: Lend + Send> Sync for KernelLock<T> {}
// SAFETY: what is lent goes with the value that it is lent of, and is used by nobody meanwhile.
unsafe impl<T: Lend + Send> Send for KernelLock<T> {}

impl<T: Lend> KernelLock<T> {
    /// A free lock for so many processors.
    pub const fn new(value: T, processors: usize) -> KernelLock<T> {
        let lanes = [const { Lane(AtomicBool::new(false)) }; processors::MAX];
        KernelLock { lanes, count: processors, value: UnsafeCell::new(value), lent: UnsafeCell::new(None) }
    }

    /// Whether processors can be inside beside each other: not if there is only one.
    #[inline]
    pub fn has_several(&self) -> bool {
        self.count > 1
    }

    fn lanes(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.iter().take(self.count)
    }

    /// Waits until no other processor is inside.
    #[inline]
    pub fn lock(&'static self) -> Guard<T> {
        let [first, ..] = &self.lanes;
        first.lock();
        if self.has_several() {
            self.lanes().skip(1).for_each(Lane::lock);
        }
        Guard { lock: self }
    }

    /// The lock, if no processor is inside.
    pub fn try_lock(&'static self) -> Option<Guard<T>> {
        let taken = self.lanes().take_while(|lane| lane.try_lock()).count();
        if taken == self.count {
            return Some(Guard { lock: self });
        }
        self.lanes().take(taken).for_each(Lane::unlock);
        None
    }

    /// Waits until no other processor is alone inside. `None`: this processor has to be alone, because there is no other one, or
    /// nobody was inside yet.
    pub fn share(&'static self, processor: usize) -> Option<SharedGuard<T>> {
        let lane = self.lanes.get(processor).filter(|_| self.has_several())?;
        lane.lock();
        // SAFETY: it is changed by the holder of all lanes only.
        match unsafe { &*self.lent.get() } {
            Some(lent) => Some(SharedGuard { lent, lane }),
            None => {
                lane.unlock();
                None
            }
        }
    }

    /// The value without the lock.
    ///
    /// # Safety
    /// Nobody uses the value any more, or ever again.
    pub unsafe fn peek(&self) -> &T {
        // SAFETY: the caller vouches for it.
        unsafe { &*self.value.get() }
    }
}

/// The value is this processor's alone as long as this lives.
pub struct Guard<T: Lend> {
    lock: &'static KernelLock<T>,
}

impl<T: Lend> Deref for Guard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the guard holds all lanes.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: Lend> DerefMut for Guard<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard holds all lanes.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: Lend> Drop for Guard<T> {
    #[inline]
    fn drop(&mut self) {
        if self.lock.has_several() {
            return self.let_others_in();
        }
        let [first, ..] = &self.lock.lanes;
        first.unlock();
    }
}

impl<T: Lend> Guard<T> {
    /// Lends the value, and gives all lanes up.
    #[inline(never)]
    fn let_others_in(&self) {
        // SAFETY: the guard holds all lanes, so nobody uses what was lent before; what is lent now is used until somebody holds
        // all lanes again, and what is static stays where it is.
        unsafe {
            let lent = (*self.lock.value.get()).lend();
            self.lock.lent.get().cast::<Option<T::Lent<'_>>>().write(Some(lent));
        }
        self.lock.lanes().for_each(Lane::unlock);
    }
}

/// The value is lent to this processor, and perhaps to others, as long as this lives.
pub struct SharedGuard<T: Lend> {
    lent: *const T::Lent<'static>,
    lane: &'static Lane,
}

impl<T: Lend> SharedGuard<T> {
    /// What is lent of the value.
    pub fn lent(&self) -> &T::Lent<'_> {
        // SAFETY: the guard holds a lane, so nobody has the value for itself.
        unsafe { &*self.lent.cast() }
    }
}

impl<T: Lend> Drop for SharedGuard<T> {
    fn drop(&mut self) {
        self.lane.unlock();
    }
}
