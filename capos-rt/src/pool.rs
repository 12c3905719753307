//! Records that are known by their address and used again: nothing ever frees one, so that whoever has an address, be it a
//! stale one, has a record.
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::{RefCell, UnsafeCell};

/// Records of one kind, of one thread.
pub struct Pool<T: 'static> {
    all: RefCell<Vec<&'static T>>,
    free: UnsafeCell<Vec<&'static T>>,
}

impl<T: Default> Pool<T> {
    /// No records.
    pub const fn new() -> Self {
        Self { all: RefCell::new(Vec::new()), free: UnsafeCell::new(Vec::new()) }
    }

    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "the reference ends with the method that asks for it")]
    fn free(&self) -> &mut Vec<&'static T> {
        // SAFETY: `take` and `give` alone use it, each by itself; they run no code of `T`, and the type is not `Sync`.
        unsafe { &mut *self.free.get() }
    }

    /// Whether no record was ever taken.
    pub fn is_unused(&self) -> bool {
        self.all.borrow().is_empty()
    }

    /// Takes a record that nobody uses, as its last user left it.
    #[inline]
    pub fn take(&self) -> &'static T {
        self.free().pop().unwrap_or_else(|| self.grow())
    }

    #[cold]
    fn grow(&self) -> &'static T {
        let made: &'static T = Box::leak(Box::default());
        self.all.borrow_mut().push(made);
        made
    }

    /// Gives a record back.
    #[inline]
    pub fn give(&self, record: &'static T) {
        self.free().push(record);
    }

    /// Every record that there is now.
    pub fn all(&self) -> Vec<&'static T> {
        self.all.borrow().clone()
    }
}

impl<T: Default> Default for Pool<T> {
    fn default() -> Self {
        Self::new()
    }
}
