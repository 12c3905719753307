//! Handles that this thread's capabilities hold: reference-counted, released when the last one is dropped.
use crate::ring;
use alloc::vec::Vec;
use capos_abi::handle::Handle;
use capos_abi::ring::{Submission, flag, op};
use core::cell::UnsafeCell;

/// How many capabilities of this thread stand for each handle, by the handle's index.
pub struct Handles {
    counts: UnsafeCell<Vec<u32>>,
}

impl Handles {
    /// None.
    pub const fn new() -> Self {
        Self { counts: UnsafeCell::new(Vec::new()) }
    }

    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "the reference ends with the method that asks for it")]
    fn counts(&self) -> &mut Vec<u32> {
        // SAFETY: the methods below alone use it, each by itself, and the type is not `Sync`. (The heap, which grows it, knows
        // nothing of handles.)
        unsafe { &mut *self.counts.get() }
    }

    /// Whether there never was one.
    pub fn is_unused(&self) -> bool {
        self.counts().is_empty()
    }

    /// Adds a reference.
    #[inline]
    pub fn add(&self, handle: Handle) {
        let index = handle as u32 as usize;
        match self.counts().get_mut(index) {
            Some(count) => *count += 1,
            None => self.grow(index),
        }
    }

    /// Adds the first reference to a handle of so high an index.
    #[cold]
    fn grow(&self, index: usize) {
        let counts = self.counts();
        counts.resize(index + 16, 0);
        counts[index] = 1;
    }

    /// Takes a reference away; the last one releases the handle.
    #[inline]
    pub fn drop(&self, handle: Handle) {
        let count = &mut self.counts()[handle as u32 as usize];
        *count -= 1;
        if *count == 0 {
            release(handle);
        }
    }

    /// Takes the only reference away without releasing the handle; false if there are others.
    pub fn detach(&self, handle: Handle) -> bool {
        let count = &mut self.counts()[handle as u32 as usize];
        if *count == 1 {
            *count = 0;
        }
        *count == 0
    }
}

#[cold]
#[inline(never)]
fn release(handle: Handle) {
    crate::raw::release(handle);
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
