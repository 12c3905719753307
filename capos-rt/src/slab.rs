//! Records that keep their address and are used again: integers name them, nothing ever frees one.
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

/// Records of a slab at first.
const FIRST_RECORDS: usize = 4;

/// Records of one kind, of one thread.
pub struct Slab<T: 'static> {
    all: Cell<&'static [&'static T]>,
    free: RefCell<Vec<u32>>,
}

impl<T: Default> Slab<T> {
    /// No records.
    pub const fn new() -> Self {
        Self { all: Cell::new(&[]), free: RefCell::new(Vec::new()) }
    }

    /// Whether no record was ever taken.
    pub fn is_unused(&self) -> bool {
        self.all.get().is_empty()
    }

    /// Takes a record that nobody uses, as its last user left it.
    #[inline]
    pub fn take(&self) -> u32 {
        let free = self.free.borrow_mut().pop();
        free.unwrap_or_else(|| self.grow())
    }

    /// Doubles the records, and leaves the old table behind: reading it must cost next to nothing.
    #[cold]
    fn grow(&self) -> u32 {
        let old = self.all.get();
        let added = old.len().max(FIRST_RECORDS);
        let mut all = Vec::with_capacity(old.len() + added);
        all.extend_from_slice(old);
        all.resize_with(old.len() + added, || &*Box::leak(Box::default()));
        self.all.set(all.leak());
        let mut free = self.free.borrow_mut();
        free.reserve(self.all.get().len());
        free.extend((old.len() as u32 + 1..self.all.get().len() as u32).rev());
        old.len() as u32
    }

    /// Gives a record back.
    #[inline]
    pub fn give(&self, index: u32) {
        self.free.borrow_mut().push(index);
    }

    /// The record with this number.
    #[inline]
    pub fn get(&self, index: u32) -> &'static T {
        self.all.get()[index as usize]
    }

    /// The first record for which `wanted` holds.
    pub fn position(&self, wanted: impl Fn(&T) -> bool) -> Option<u32> {
        self.all.get().iter().position(|record| wanted(record)).map(|index| index as u32)
    }

    /// The record with this number, if it exists.
    pub fn find(&self, index: u32) -> Option<&'static T> {
        self.all.get().get(index as usize).copied()
    }
}

impl<T: Default> Default for Slab<T> {
    fn default() -> Self {
        Self::new()
    }
}
