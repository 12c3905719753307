//! The two system calls where there is no kernel: on the host, tests put a model of the kernel here.
use core::cell::Cell;

/// What runs the ring in the kernel's place: the same arguments and result as [`cap_enter`].
pub type Kernel = fn(u32, u64) -> u64;

#[thread_local]
static KERNEL: Cell<Option<Kernel>> = Cell::new(None);

/// Sets this thread's model of the kernel.
pub fn set_kernel(kernel: Kernel) {
    KERNEL.set(Some(kernel));
}

/// Runs the thread's ring on the model.
pub fn cap_enter(min_complete: u32, deadline: u64) -> u64 {
    KERNEL.get().expect("a model of the kernel")(min_complete, deadline)
}

/// Threads of the host end by themselves.
pub fn exit(code: i32) -> ! {
    panic!("exit({code})")
}
