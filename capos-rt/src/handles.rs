//! Handles that this thread's capabilities hold: reference-counted, released when the last one is dropped.
use crate::ring;
use alloc::vec::Vec;
use capos_abi::handle::Handle;
use capos_abi::ring::{Submission, flag, op};
use core::cell::RefCell;

/// How many capabilities of this thread stand for each handle, by the handle's index.
pub struct Handles {
    counts: RefCell<Vec<u32>>,
}

impl Handles {
    /// None.
    pub const fn new() -> Self {
        Self { counts: RefCell::new(Vec::new()) }
    }

    /// Whether there never was one.
    pub fn is_unused(&self) -> bool {
        self.counts.borrow().is_empty()
    }

    /// Adds a reference.
    #[inline]
    pub fn add(&self, handle: Handle) {
        let index = handle as u32 as usize;
        let mut counts = self.counts.borrow_mut();
        if index >= counts.len() {
            counts.resize(index + 16, 0);
        }
        counts[index] += 1;
    }

    /// Takes a reference away; the last one releases the handle.
    #[inline]
    pub fn drop(&self, handle: Handle) {
        let last = {
            let count = &mut self.counts.borrow_mut()[handle as u32 as usize];
            *count -= 1;
            *count == 0
        };
        if last {
            crate::raw::release(handle);
        }
    }

    /// Takes the only reference away without releasing the handle; false if there are others.
    pub fn detach(&self, handle: Handle) -> bool {
        let count = &mut self.counts.borrow_mut()[handle as u32 as usize];
        if *count == 1 {
            *count = 0;
        }
        *count == 0
    }
}

impl Default for Handles {
    fn default() -> Self {
        Self::new()
    }
}

/// Releases an origin unless a capability derived from it exists.
pub fn release_unreferenced(origin: Handle) -> bool {
    let entry = Submission { op: op::RELEASE, flags: flag::IF_UNREFERENCED, handle: origin, ..Submission::default() };
    ring::with(|ring| ring.run(entry)).status == capos_abi::status::OK
}
