//! The ways in which a process ends by itself. A panic of the program arrives here as `abort`, its message written.
use crate::{objects, stdio, syscall, thread};

/// Exit code of a process that aborted, as after a panic.
pub const ABORTED: i32 = 134;

/// Ends the process.
pub fn exit(code: i32) -> ! {
    stdio::flush();
    objects::exit_process(code);
    // Without a capability of the process, the thread can still end itself, and the process with the last of them.
    thread::keep_no_more();
    syscall::exit(code)
}

/// Ends the process because something is wrong that it cannot go on with.
pub fn fatal(message: &str) -> ! {
    // There is nobody to tell if this fails.
    let _ = stdio::write(stdio::STDERR, message.as_bytes());
    let _ = stdio::write(stdio::STDERR, b"\n");
    exit(ABORTED)
}
