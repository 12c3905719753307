//! The two system calls.
use capos_abi::syscall::{CAP_ENTER, EXIT};
use core::arch::asm;

/// Runs the thread's ring, then waits until `min_complete` completions are unread or `deadline` has passed.
/// Returns the number of unread completions.
#[inline]
pub fn cap_enter(min_complete: u32, deadline: u64) -> u64 {
    let result;
    // SAFETY: the kernel touches only the ring area, whose memory is accessed by volatile and atomic operations and
    // whose ranges in flight belong to the kernel; every register it may change is declared.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") CAP_ENTER => result,
            in("rdi") u64::from(min_complete),
            in("rsi") deadline,
            clobber_abi("sysv64"),
            options(nostack),
        );
    }
    result
}

/// Ends the calling thread. The code of the last thread is the process's.
pub fn exit(code: i32) -> ! {
    // SAFETY: the call does not return.
    unsafe {
        asm!("syscall", in("rax") EXIT, in("rdi") i64::from(code), options(noreturn, nostack));
    }
}
