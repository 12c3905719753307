//! Copying in words of 8 bytes, and zeroing in words of 16.
//!
//! Both are assembly, not Rust references or volatile accesses, because a program may change the memory meanwhile; every
//! word is read once.

use capos_abi::PAGE_BYTES;
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

/// Fills a page with zeros. The vector registers belong to the program that is interrupted: the one in use is put back.
///
/// # Safety
/// `page` is aligned like a page, and can be written.
pub unsafe fn zero_page(page: *mut u64) {
    let mut kept = [0u64; 2];
    // SAFETY: the caller vouches for the page; SSE is on, and `xmm0` is at the end what it was.
    unsafe {
        asm!(
            "movups [{kept}], xmm0",
            "xorps xmm0, xmm0",
            "2:",
            "movaps [{to}], xmm0",
            "movaps [{to} + 16], xmm0",
            "movaps [{to} + 32], xmm0",
            "movaps [{to} + 48], xmm0",
            "movaps [{to} + 64], xmm0",
            "movaps [{to} + 80], xmm0",
            "movaps [{to} + 96], xmm0",
            "movaps [{to} + 112], xmm0",
            "add {to}, 128",
            "cmp {to}, {end}",
            "jne 2b",
            "movups xmm0, [{kept}]",
            to = inout(reg) page => _,
            end = in(reg) page.wrapping_byte_add(PAGE_BYTES as usize),
            kept = in(reg) &raw mut kept,
            options(nostack)
        )
    };
}
