//! The run queue of a processor: ready threads by virtual deadline.
use crate::execution::thread_heap::ThreadHeap;
use crate::heap::OutOfHeap;

/// Threads that wait, by index, and the virtual time of the processor.
pub struct RunQueue {
    /// By virtual deadline; of equal ones the older arrival first.
    heap: ThreadHeap<(u64, u64)>,
    arrivals: u64,
    virtual_now: u64,
}

impl RunQueue {
    /// An empty queue.
    pub const fn new() -> Self {
        Self { heap: ThreadHeap::new(), arrivals: 0, virtual_now: 0 }
    }

    /// Makes room for threads with an index below `threads`.
    pub fn prepare(&mut self, threads: usize) -> Result<(), OutOfHeap> {
        self.heap.prepare(threads)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// The place in virtual time of the thread that has had the least.
    pub fn virtual_now(&self) -> u64 {
        self.virtual_now
    }

    /// A thread runs whose place is this: nobody who comes later gets in before it.
    pub fn advance(&mut self, place: u64) {
        self.virtual_now = self.virtual_now.max(place);
    }

    /// The one that runs next, and its deadline.
    pub fn first(&self) -> Option<(u64, u32)> {
        self.heap.first().map(|((deadline, _), thread)| (deadline, thread))
    }

    /// Puts one in line that is in none. There is room: it was prepared.
    pub fn push(&mut self, thread: u32, deadline: u64) {
        self.arrivals += 1;
        self.heap.set(thread, Some((deadline, self.arrivals)));
    }

    /// Takes the one that runs next.
    pub fn pop(&mut self) -> Option<u32> {
        self.heap.pop()
    }

    /// Takes the first one that satisfies the condition, out of so many of those that come first.
    pub fn pop_where(&mut self, looks: usize, condition: impl Fn(u32) -> bool) -> Option<u32> {
        let fitting = self.heap.some(looks).filter(|(_, thread)| condition(*thread));
        let (_, thread) = fitting.min()?;
        self.heap.set(thread, None);
        Some(thread)
    }

    /// Takes this one out; whether it was there.
    pub fn remove(&mut self, thread: u32) -> bool {
        self.heap.set(thread, None)
    }
}
