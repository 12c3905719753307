//! Records that keep their address and are used again: integers name them, nothing ever frees one.
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::RefCell;

/// Records of one kind, of one thread.
pub struct Slab<T: 'static> {
    all: RefCell<Vec<&'static T>>,
    free: RefCell<Vec<u32>>,
}

impl<T: Default> Slab<T> {
    /// No records.
    pub const fn new() -> Self {
        Self { all: RefCell::new(Vec::new()), free: RefCell::new(Vec::new()) }
    }

    /// Takes a record that nobody uses, as its last user left it.
    #[inline]
    pub fn take(&self) -> u32 {
        let free = self.free.borrow_mut().pop();
        free.unwrap_or_else(|| self.grow())
    }

    #[cold]
    fn grow(&self) -> u32 {
        let mut all = self.all.borrow_mut();
        all.push(Box::leak(Box::default()));
        self.free.borrow_mut().reserve(all.len());
        all.len() as u32 - 1
    }

    /// Gives a record back.
    #[inline]
    pub fn give(&self, index: u32) {
        self.free.borrow_mut().push(index);
    }

    /// The record with this number.
    #[inline]
    pub fn get(&self, index: u32) -> &'static T {
        self.all.borrow()[index as usize]
    }

    /// The first record for which `wanted` holds.
    pub fn position(&self, wanted: impl Fn(&T) -> bool) -> Option<u32> {
        self.all.borrow().iter().position(|record| wanted(record)).map(|index| index as u32)
    }

    /// The record with this number, if it exists.
    pub fn find(&self, index: u32) -> Option<&'static T> {
        self.all.borrow().get(index as usize).copied()
    }
}

impl<T: Default> Default for Slab<T> {
    fn default() -> Self {
        Self::new()
    }
}
