//! The run queue of a processor: ready threads by virtual deadline, in a binary heap.
use alloc::vec::Vec;

/// Waits in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting<T> {
    /// Virtual deadline.
    pub deadline: u64,
    /// Counts arrivals: of equal deadlines the older runs first.
    arrival: u64,
    /// Who.
    pub who: T,
}

/// Who waits, and the virtual time of the processor.
pub struct RunQueue<T> {
    heap: Vec<Waiting<T>>,
    arrivals: u64,
    virtual_now: u64,
}

impl<T: Copy + PartialEq> RunQueue<T> {
    /// An empty queue.
    pub const fn new() -> Self {
        Self { heap: Vec::new(), arrivals: 0, virtual_now: 0 }
    }

    /// Makes room for so many; false if the heap is full.
    #[must_use]
    pub fn prepare(&mut self, count: usize) -> bool {
        self.heap.try_reserve(count.saturating_sub(self.heap.len())).is_ok()
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

    /// The one that runs next.
    pub fn first(&self) -> Option<&Waiting<T>> {
        self.heap.first()
    }

    /// Puts one in line. There is room: it was prepared.
    pub fn push(&mut self, who: T, deadline: u64) {
        self.arrivals += 1;
        self.heap.push(Waiting { deadline, arrival: self.arrivals, who });
        self.rise(self.heap.len() - 1);
    }

    /// Takes the one that runs next.
    pub fn pop(&mut self) -> Option<T> {
        if self.heap.is_empty() { None } else { Some(self.take(0)) }
    }

    /// Takes the first one that satisfies the condition.
    pub fn pop_where(&mut self, condition: impl Fn(T) -> bool) -> Option<T> {
        let fitting = self.heap.iter().enumerate().filter(|(_, w)| condition(w.who));
        let (at, _) = fitting.min_by_key(|(_, w)| (w.deadline, w.arrival))?;
        Some(self.take(at))
    }

    /// Takes this one out.
    pub fn remove(&mut self, who: T) -> bool {
        let at = self.heap.iter().position(|w| w.who == who);
        at.map(|at| self.take(at)).is_some()
    }

    fn take(&mut self, at: usize) -> T {
        let taken = self.heap.swap_remove(at).who;
        if at < self.heap.len() {
            self.rise(at);
            self.sink(at);
        }
        taken
    }

    fn rise(&mut self, mut at: usize) {
        while at > 0 && self.key(at) < self.key((at - 1) / 2) {
            self.heap.swap(at, (at - 1) / 2);
            at = (at - 1) / 2;
        }
    }

    fn sink(&mut self, mut at: usize) {
        loop {
            let children = [2 * at + 1, 2 * at + 2].into_iter().filter(|&child| child < self.heap.len());
            let Some(child) = children.min_by_key(|&child| self.key(child)) else { return };
            if self.key(at) <= self.key(child) {
                return;
            }
            self.heap.swap(at, child);
            at = child;
        }
    }

    fn key(&self, at: usize) -> (u64, u64) {
        self.heap.get(at).map_or((u64::MAX, u64::MAX), |w| (w.deadline, w.arrival))
    }
}
