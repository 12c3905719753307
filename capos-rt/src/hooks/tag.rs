//! Integers as boxes: the address of a box of a zero-sized hook is the number it stands for, plus one.
//!
//! Making, cloning and dropping such a hook never touches the heap. A hook that stands for a record has the record's address.
use alloc::boxed::Box;
use core::ptr::{self, with_exposed_provenance, without_provenance_mut};

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
    ptr::from_ref(tag).addr() as u64 - 1
}

/// The number of a record.
#[inline(always)]
pub fn number_of<R>(record: &'static R) -> u64 {
    ptr::from_ref(record).expose_provenance() as u64
}

/// The record of a number.
///
/// # Safety
/// [`number_of`] gave the number, of a record of this type.
#[inline(always)]
pub unsafe fn record_of<R>(number: u64) -> &'static R {
    // SAFETY: promised by the caller.
    unsafe { &*with_exposed_provenance(number as usize) }
}

/// A hook that stands for a record.
///
/// # Safety
/// [`stand_for`] alone makes its values.
pub unsafe trait StandsFor: Sized {
    /// What it stands for.
    type Record: 'static;

    /// The record.
    #[inline(always)]
    fn record(&self) -> &'static Self::Record {
        // SAFETY: `stand_for` made this of a record of the type.
        unsafe { record_of(number(self)) }
    }
}

/// A box that stands for a record.
#[inline(always)]
pub fn stand_for<T: StandsFor>(record: &'static T::Record) -> Box<T> {
    tag(number_of(record))
}

/// The record of a tag that is not dropped.
#[inline(always)]
pub fn into_record<T: StandsFor>(tag: Box<T>) -> &'static T::Record {
    let record = tag.record();
    core::mem::forget(tag);
    record
}
