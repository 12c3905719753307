//! Threads.
use crate::{objects, startup, thread};

/// Starts a thread; 0 if that failed. Priority and processor are the scheduler's business.
#[unsafe(no_mangle)]
extern "C" fn sys_spawn2(
    run: extern "C" fn(usize),
    argument: usize,
    _priority: u8,
    stack_bytes: usize,
    _processor: isize,
) -> thread::Id {
    thread::spawn(run, argument, stack_bytes).unwrap_or(0)
}

#[unsafe(no_mangle)]
extern "C" fn sys_join(id: thread::Id) -> i32 {
    thread::join(id);
    0
}

#[unsafe(no_mangle)]
extern "C" fn sys_yield() {
    thread::yield_now();
}

/// Processors that run. Who holds no `status` knows of one.
#[unsafe(no_mangle)]
extern "C" fn sys_available_parallelism() -> usize {
    let known = startup::capability("status").and_then(|status| objects::processors(status.handle).ok());
    known.map_or(1, |count| count.max(1) as usize)
}
