//! A binary heap of threads, each at most once, that knows where each of them stands.
use crate::heap::OutOfHeap;
use crate::table::Table;

const ABSENT: u32 = u32::MAX;

/// Threads by index, the one with the smallest key first.
pub struct ThreadHeap<K> {
    entries: Table<(K, u32)>,
    /// Where each thread stands.
    positions: Table<u32>,
}

impl<K: Copy + Ord> ThreadHeap<K> {
    /// A heap without threads.
    pub const fn new() -> Self {
        Self { entries: Table::new(), positions: Table::new() }
    }

    /// Makes room for threads with an index below `threads`.
    pub fn prepare(&mut self, threads: usize) -> Result<(), OutOfHeap> {
        self.positions.reserve(threads)?;
        self.entries.reserve(threads)?;
        (self.positions.len()..threads).for_each(|_| self.positions.push(ABSENT));
        Ok(())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The first one, and its key.
    #[inline]
    pub fn first(&self) -> Option<(K, u32)> {
        self.entries.first().copied()
    }

    /// Some of those that come first, at most so many, in no order.
    pub fn some(&self, count: usize) -> impl Iterator<Item = (K, u32)> {
        (0..self.len().min(count)).filter_map(|at| self.entries.get(at).copied())
    }

    /// Sets, changes or (with `None`) removes a thread's key; whether it had one.
    pub fn set(&mut self, thread: u32, key: Option<K>) -> bool {
        let position = self.positions.get(thread as usize).copied().unwrap_or(ABSENT);
        match (key, position) {
            (None, ABSENT) => {}
            (None, at) => self.remove(at as usize),
            (Some(key), ABSENT) => {
                self.entries.push((key, thread));
                self.rise(self.entries.len() - 1);
            }
            (Some(key), at) => {
                if let Some(entry) = self.entries.get_mut(at as usize) {
                    entry.0 = key;
                }
                self.rise(at as usize);
                self.sink(at as usize);
            }
        }
        position != ABSENT
    }

    /// Takes the first one.
    pub fn pop(&mut self) -> Option<u32> {
        let (_, thread) = self.first()?;
        self.remove(0);
        Some(thread)
    }

    fn remove(&mut self, at: usize) {
        let Some((_, thread)) = self.entries.swap_remove(at) else { return };
        if let Some(position) = self.positions.get_mut(thread as usize) {
            *position = ABSENT;
        }
        if at < self.entries.len() {
            self.rise(at);
            self.sink(at);
        }
    }

    /// Moves the entry at a place up, and those down that come later.
    fn rise(&mut self, mut at: usize) {
        let Some(&entry) = self.entries.get(at) else { return };
        while at > 0
            && let Some(&parent) = self.entries.get((at - 1) / 2)
            && entry.0 < parent.0
        {
            self.put(at, parent);
            at = (at - 1) / 2;
        }
        self.put(at, entry);
    }

    /// Moves the entry at a place down, and those up that come earlier.
    fn sink(&mut self, mut at: usize) {
        let Some(&entry) = self.entries.get(at) else { return };
        while let Some((child, below)) = self.first_child(at)
            && below.0 < entry.0
        {
            self.put(at, below);
            at = child;
        }
        self.put(at, entry);
    }

    /// Which of the places below one comes first, and what stands there.
    fn first_child(&self, at: usize) -> Option<(usize, (K, u32))> {
        let (left, right) = (2 * at + 1, 2 * at + 2);
        let &first = self.entries.get(left)?;
        match self.entries.get(right) {
            Some(&second) if second.0 < first.0 => Some((right, second)),
            _ => Some((left, first)),
        }
    }

    fn put(&mut self, at: usize, entry: (K, u32)) {
        if let Some(place) = self.entries.get_mut(at) {
            *place = entry;
        }
        if let Some(position) = self.positions.get_mut(entry.1 as usize) {
            *position = at as u32;
        }
    }
}
