//! The sixteen vector registers: loaded, left alone for a while, and stored.

use capos_abi::syscall::CAP_ENTER;
use std::arch::{asm, is_x86_feature_detected};

/// Turns that they are left alone: a few milliseconds.
const TURNS: u64 = 10_000_000;
/// In MXCSR: numbers are rounded down.
const ROUND_DOWN: u32 = 1 << 13;

/// What they hold; the upper half of each only where the processor has AVX.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vectors([[u64; 4]; 16]);

/// Nothing.
pub const EMPTY: Vectors = Vectors([[0; 4]; 16]);

/// Loads all registers from `r12`, does something, stores them at `r13`.
macro_rules! between {
    ($load:literal, $register:literal, $bytes:literal, $what:literal, $($operands:tt)*) => {
        asm!(
            concat!(".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n", $load, " ", $register, "\\n, [r12 + ", $bytes, " * \\n]\n.endr"),
            $what,
            concat!(".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n", $load, " [r13 + ", $bytes, " * \\n], ", $register, "\\n\n.endr"),
            $($operands)*
            clobber_abi("sysv64"),
            options(nostack),
        )
    };
}

impl Vectors {
    /// The same word everywhere.
    pub fn of(word: u64) -> Vectors {
        let mut vectors = EMPTY;
        let words = if is_x86_feature_detected!("avx") { 4 } else { 2 };
        vectors.0.iter_mut().for_each(|register| register[..words].fill(word));
        vectors
    }

    /// What they hold after a while.
    pub fn held(&self) -> Vectors {
        let mut found = EMPTY;
        let (from, to) = (self.0.as_ptr(), found.0.as_mut_ptr());
        // SAFETY: reads and writes sixteen registers' worth of memory, and every register that changes is declared.
        unsafe {
            if is_x86_feature_detected!("avx") {
                between!("vmovups", "ymm", "32", "2: dec rax\njnz 2b", in("r12") from, in("r13") to, inout("rax") TURNS => _,);
            } else {
                between!("movups", "xmm", "32", "2: dec rax\njnz 2b", in("r12") from, in("r13") to, inout("rax") TURNS => _,);
            }
        }
        found
    }

    /// What they hold when the thread has waited in the kernel until then.
    pub fn through_the_kernel(&self, deadline: u64) -> Vectors {
        let mut found = EMPTY;
        let (from, to) = (self.0.as_ptr(), found.0.as_mut_ptr());
        // SAFETY: as above; the ring has no submissions, so the kernel does nothing but wait.
        unsafe {
            if is_x86_feature_detected!("avx") {
                between!("vmovups", "ymm", "32", "syscall", in("r12") from, in("r13") to, inout("rax") CAP_ENTER => _, in("rdi") 1u64, in("rsi") deadline,);
            } else {
                between!("movups", "xmm", "32", "syscall", in("r12") from, in("r13") to, inout("rax") CAP_ENTER => _, in("rdi") 1u64, in("rsi") deadline,);
            }
        }
        found
    }
}

/// MXCSR.
pub fn control() -> u32 {
    let mut value = 0u32;
    // SAFETY: stores the register.
    unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut value, options(nostack)) };
    value
}

/// From now on this thread rounds numbers down; MXCSR then.
pub fn round_down() -> u32 {
    let value = control() | ROUND_DOWN;
    // SAFETY: a valid value; this program computes nothing.
    unsafe { asm!("ldmxcsr [{}]", in(reg) &value, options(nostack)) };
    value
}
