//! The two system calls.
//!
//! `syscall` with the number in `rax` and arguments in `rdi`, `rsi`; the result comes in `rax`. `rcx`, `r11` and
//! every vector register are clobbered; MXCSR and the x87 control word are kept.

/// `cap_enter(min_complete: u32, deadline: u64)`: runs the calling thread's ring, then waits until `min_complete`
/// completions are unread or `deadline` (absolute monotonic nanoseconds, 0 = none) has passed.
/// Returns the number of unread completions.
pub const CAP_ENTER: u64 = 0;

/// `exit(code: i32)`: ends the calling thread. The code of the last thread is the process's.
pub const EXIT: u64 = 1;

/// Result of an unknown system call number.
pub const BAD_CALL: u64 = u64::MAX;
