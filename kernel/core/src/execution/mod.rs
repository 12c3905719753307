//! What runs: processes and threads, who gets which processor when, and how long a stay in the kernel is.
pub(crate) mod process;
pub(crate) mod schedule;
pub(crate) mod stay;
pub(crate) mod thread;
pub(crate) mod thread_heap;
pub(crate) mod timer;
pub(crate) mod trap;
