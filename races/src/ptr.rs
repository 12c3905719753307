//! As `core::ptr`; accesses to the [`crate::memory`] that both sides of a ring share are watched.

use crate::memory::{self, Access};
pub use std::ptr::*;

/// As `core::ptr::read`.
///
/// # Safety
/// As there.
pub unsafe fn read<T>(from: *const T) -> T {
    memory::note(from.addr(), size_of::<T>(), Access::Read);
    // SAFETY: promised by the caller.
    unsafe { std::ptr::read(from) }
}

/// As `core::ptr::write`.
///
/// # Safety
/// As there.
pub unsafe fn write<T>(to: *mut T, value: T) {
    memory::note(to.addr(), size_of::<T>(), Access::Write);
    // SAFETY: promised by the caller.
    unsafe { std::ptr::write(to, value) }
}

/// As `core::ptr::read_volatile`; in a ring's header it is an access to an atomic.
///
/// # Safety
/// As there.
pub unsafe fn read_volatile<T: Copy>(from: *const T) -> T {
    match memory::header(from.addr(), size_of::<T>()) {
        // SAFETY: the header holds numbers of 32 bits, and `T` is as large.
        Some(atomic) => unsafe { std::mem::transmute_copy(&atomic.load(memory::VOLATILE)) },
        // SAFETY: promised by the caller.
        None => unsafe { read(from) },
    }
}

/// As `core::ptr::write_volatile`; in a ring's header it is an access to an atomic.
///
/// # Safety
/// As there.
pub unsafe fn write_volatile<T: Copy>(to: *mut T, value: T) {
    match memory::header(to.addr(), size_of::<T>()) {
        // SAFETY: as in `read_volatile`.
        Some(atomic) => atomic.store(unsafe { std::mem::transmute_copy(&value) }, memory::VOLATILE),
        // SAFETY: promised by the caller.
        None => unsafe { write(to, value) },
    }
}
