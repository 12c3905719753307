//! Copying and zeroing in words of 8 bytes by string instructions.
//!
//! They are assembly, not Rust references or volatile accesses, because a program may change the memory meanwhile; every
//! word is read once.

use core::arch::asm;

/// Copies words.
///
/// # Safety
/// `from` can be read and `to` written for `words` words; the ranges do not overlap.
pub unsafe fn copy(from: *const u64, to: *mut u64, words: usize) {
    // SAFETY: the caller vouches for the ranges; the direction flag is clear in Rust code.
    unsafe {
        asm!("rep movsq", inout("rcx") words => _, inout("rsi") from => _, inout("rdi") to => _, options(nostack, preserves_flags))
    };
}

/// Writes zeros.
///
/// # Safety
/// `to` can be written for `words` words.
pub unsafe fn zero(to: *mut u64, words: usize) {
    // SAFETY: as in `copy`.
    unsafe {
        asm!("rep stosq", inout("rcx") words => _, inout("rdi") to => _, in("rax") 0, options(nostack, preserves_flags))
    };
}
