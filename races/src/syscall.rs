//! The system call that runs the ring: models enter the kernel by name instead.

/// Nothing to run.
pub fn cap_enter(_: u32, _: u64) -> u64 {
    loom::thread::yield_now();
    0
}
