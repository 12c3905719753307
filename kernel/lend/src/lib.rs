//! Values that belong to one owner and are lent to several processors, which use them one at a time.
//!
//! It is a crate of its own because `kernel-core` has no unsafe code.
#![no_std]

mod slot;

pub use slot::{Lent, Slot, Taken};
