//! The threads of a model.

use capos_abi::handle::Handle;
use std::cell::Cell;

loom::thread_local!(static OWN: Cell<Handle> = Cell::new(0));

/// Starts a thread with this number.
pub fn spawn(number: Handle, run: impl FnOnce() + 'static) -> loom::thread::JoinHandle<()> {
    loom::thread::spawn(move || {
        OWN.with(|own| own.set(number));
        run();
    })
}

/// The calling thread's number.
pub fn own_handle() -> Handle {
    OWN.with(Cell::get)
}

/// Lets other threads run.
pub fn yield_now() {
    loom::thread::yield_now();
}
