//! The timer queue: at most one deadline for each thread, in a binary heap that knows where each thread stands.
use alloc::vec::Vec;

const ABSENT: u32 = u32::MAX;

/// Deadlines of threads, by thread index.
pub struct TimerQueue {
    heap: Vec<(u64, u32)>,
    positions: Vec<u32>,
}

impl TimerQueue {
    /// An empty queue.
    pub const fn new() -> Self {
        Self { heap: Vec::new(), positions: Vec::new() }
    }

    /// Makes room for threads with an index below `threads`; false if the heap is full.
    #[must_use]
    pub fn prepare(&mut self, threads: usize) -> bool {
        let more = threads.saturating_sub(self.positions.len());
        if self.positions.try_reserve(more).is_err()
            || self.heap.try_reserve(threads.saturating_sub(self.heap.len())).is_err()
        {
            return false;
        }
        self.positions.extend(core::iter::repeat_n(ABSENT, more));
        true
    }

    /// The earliest deadline, `u64::MAX` if there is none.
    pub fn earliest(&self) -> u64 {
        self.heap.first().map_or(u64::MAX, |&(deadline, _)| deadline)
    }

    /// Sets, changes or (with `None`) removes a thread's deadline.
    pub fn set(&mut self, thread: u32, deadline: Option<u64>) {
        let position = self.positions.get(thread as usize).copied().unwrap_or(ABSENT);
        match (deadline, position) {
            (None, ABSENT) => {}
            (None, at) => self.remove(at as usize),
            (Some(deadline), ABSENT) => {
                self.heap.push((deadline, thread));
                self.place(self.heap.len() - 1);
                self.rise(self.heap.len() - 1);
            }
            (Some(deadline), at) => {
                if let Some(entry) = self.heap.get_mut(at as usize) {
                    entry.0 = deadline;
                }
                self.rise(at as usize);
                self.sink(at as usize);
            }
        }
    }

    /// Takes a thread whose deadline is not later than `now`.
    pub fn pop_expired(&mut self, now: u64) -> Option<u32> {
        let &(deadline, thread) = self.heap.first()?;
        if deadline > now {
            return None;
        }
        self.remove(0);
        Some(thread)
    }

    fn remove(&mut self, at: usize) {
        let (_, thread) = self.heap.swap_remove(at);
        if let Some(position) = self.positions.get_mut(thread as usize) {
            *position = ABSENT;
        }
        if at < self.heap.len() {
            self.place(at);
            self.rise(at);
            self.sink(at);
        }
    }

    fn rise(&mut self, mut at: usize) {
        while at > 0 && self.key(at) < self.key((at - 1) / 2) {
            self.swap(at, (at - 1) / 2);
            at = (at - 1) / 2;
        }
    }

    fn sink(&mut self, mut at: usize) {
        while let Some(child) =
            [2 * at + 1, 2 * at + 2].into_iter().filter(|&c| c < self.heap.len()).min_by_key(|&c| self.key(c))
        {
            if self.key(at) <= self.key(child) {
                break;
            }
            self.swap(at, child);
            at = child;
        }
    }

    fn key(&self, at: usize) -> u64 {
        self.heap.get(at).map_or(u64::MAX, |&(deadline, _)| deadline)
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        self.place(a);
        self.place(b);
    }

    fn place(&mut self, at: usize) {
        if let Some(&(_, thread)) = self.heap.get(at)
            && let Some(position) = self.positions.get_mut(thread as usize)
        {
            *position = at as u32;
        }
    }
}
