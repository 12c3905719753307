//! As `core::hint`.

/// Lets other threads go on: who spins waits for them.
pub fn spin_loop() {
    loom::thread::yield_now();
}
