//! Random bytes from the slot `entropy`.
use crate::objects;
use crate::startup::capability;
use core::slice;
use core::sync::atomic::{AtomicBool, Ordering};
use hermit_abi::errno::EPERM;

/// Until the program's `main` is called.
static STARTING: AtomicBool = AtomicBool::new(true);

/// Ends the start. Answers whether std has drawn a key that was not random and must forget it.
pub fn forget_starting_key() -> bool {
    STARTING.swap(false, Ordering::Relaxed) && capability("entropy").is_none()
}

/// Fills part of a buffer with random bytes; answers how many. Without a source the answer is -1, the one error that
/// std reports in words.
#[unsafe(no_mangle)]
unsafe extern "C" fn sys_read_entropy(buffer: *mut u8, bytes: usize, _flags: u32) -> isize {
    // SAFETY: the caller's buffer has that many bytes.
    let buffer = unsafe { slice::from_raw_parts_mut(buffer, bytes) };
    match capability("entropy") {
        Some(source) => objects::fill_random(source.handle, buffer).map_or(-EPERM as isize, |count| count as isize),
        // std's table of environment variables, which is empty: see `start`.
        None if STARTING.load(Ordering::Relaxed) => {
            buffer.fill(0);
            bytes as isize
        }
        None => -EPERM as isize,
    }
}
