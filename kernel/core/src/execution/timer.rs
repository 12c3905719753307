//! The timer queue: at most one deadline for each thread.
use super::thread_heap::ThreadHeap;
use crate::heap::OutOfHeap;

/// Deadlines of threads, by thread index.
pub struct TimerQueue {
    heap: ThreadHeap<u64>,
}

impl TimerQueue {
    /// An empty queue.
    pub const fn new() -> Self {
        Self { heap: ThreadHeap::new() }
    }

    /// Makes room for threads with an index below `threads`.
    pub fn prepare(&mut self, threads: usize) -> Result<(), OutOfHeap> {
        self.heap.prepare(threads)
    }

    /// The earliest deadline, `u64::MAX` if there is none.
    pub fn earliest(&self) -> u64 {
        self.heap.first().map_or(u64::MAX, |(deadline, _)| deadline)
    }

    /// Sets, changes or (with `None`) removes a thread's deadline.
    pub fn set(&mut self, thread: u32, deadline: Option<u64>) {
        self.heap.set(thread, deadline);
    }

    /// Takes a thread whose deadline is not later than `now`.
    pub fn pop_expired(&mut self, now: u64) -> Option<u32> {
        if self.heap.len() > 0 && self.earliest() <= now { self.heap.pop() } else { None }
    }
}
