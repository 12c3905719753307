//! The run queue of a processor: ready threads by virtual deadline.
use crate::execution::thread_heap::ThreadHeap;
use crate::heap::OutOfHeap;

/// A place in the line: the virtual deadline; of equal ones the older arrival comes first.
type Key = (u64, u64);

/// Threads that wait, by index, and the virtual time of the processor.
pub struct RunQueue {
    /// One that comes before all in the heap, if there is one. A thread that is woken to run next goes around the heap.
    front: Option<(Key, u32)>,
    heap: ThreadHeap<Key>,
    arrivals: u64,
    virtual_now: u64,
}

impl RunQueue {
    /// An empty queue.
    pub const fn new() -> Self {
        Self { front: None, heap: ThreadHeap::new(), arrivals: 0, virtual_now: 0 }
    }

    /// Makes room for threads with an index below `threads`.
    pub fn prepare(&mut self, threads: usize) -> Result<(), OutOfHeap> {
        self.heap.prepare(threads)
    }

    /// How many wait.
    #[inline]
    pub fn len(&self) -> usize {
        self.heap.len() + usize::from(self.front.is_some())
    }

    /// The place in virtual time of the thread that has had the least.
    #[inline]
    pub fn virtual_now(&self) -> u64 {
        self.virtual_now
    }

    /// A thread runs whose place is this: nobody who comes later gets in before it.
    #[inline]
    pub fn advance(&mut self, place: u64) {
        self.virtual_now = self.virtual_now.max(place);
    }

    /// The one that runs next, and its deadline.
    #[inline]
    pub fn first(&self) -> Option<(u64, u32)> {
        self.front.or_else(|| self.heap.first()).map(|((deadline, _), thread)| (deadline, thread))
    }

    /// Puts one in line that is in none. There is room: it was prepared.
    #[inline]
    pub fn push(&mut self, thread: u32, deadline: u64) {
        self.arrivals += 1;
        let key = (deadline, self.arrivals);
        if self.first().is_some_and(|(first, _)| first <= deadline) {
            self.heap.set(thread, Some(key));
        } else if let Some((later, behind)) = self.front.replace((key, thread)) {
            self.heap.set(behind, Some(later));
        }
    }

    /// Takes the one that runs next.
    #[inline]
    pub fn pop(&mut self) -> Option<u32> {
        match self.front.take() {
            Some((_, thread)) => Some(thread),
            None => self.heap.pop(),
        }
    }

    /// Takes the first one that satisfies the condition, out of so many of those that come first.
    pub fn pop_where(&mut self, looks: usize, condition: impl Fn(u32) -> bool) -> Option<u32> {
        let waiting = self.front.into_iter().chain(self.heap.some(looks)).take(looks);
        let (_, thread) = waiting.filter(|(_, thread)| condition(*thread)).min()?;
        self.remove(thread);
        Some(thread)
    }

    /// Takes this one out; whether it was there.
    pub fn remove(&mut self, thread: u32) -> bool {
        match self.front.take_if(|(_, front)| *front == thread) {
            Some(_) => true,
            None => self.heap.set(thread, None),
        }
    }
}
