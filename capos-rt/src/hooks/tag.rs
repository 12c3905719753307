//! Integers as boxes: the address of a box of a zero-sized hook is the number it stands for, plus one.
//!
//! Making, cloning and dropping such a hook never touches the heap.
use alloc::boxed::Box;
use core::ptr::without_provenance_mut;

/// A box that stands for `number`.
#[inline(always)]
pub fn tag<T>(number: u64) -> Box<T> {
    const { assert!(size_of::<T>() == 0 && align_of::<T>() == 1, "a tag has no content") };
    // SAFETY: a box of a zero-sized type may have any address that is aligned and not null, and frees nothing.
    unsafe { Box::from_raw(without_provenance_mut(number as usize + 1)) }
}

/// The number that a tag stands for.
#[inline(always)]
pub fn number<T>(tag: &T) -> u64 {
    core::ptr::from_ref(tag).addr() as u64 - 1
}

/// The number of a tag that is not dropped.
#[inline(always)]
pub fn forget<T: ?Sized>(tag: Box<T>) -> u64 {
    Box::into_raw(tag).cast::<()>().addr() as u64 - 1
}
