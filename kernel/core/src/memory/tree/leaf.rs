//! A leaf: some neighbouring intervals, and the widest hole between them.
use super::Interval;
use alloc::vec::Vec;

/// Some neighbouring intervals.
pub struct Leaf<T> {
    /// Sorted.
    pub items: Vec<T>,
    /// They end here at the latest, and those behind start here at the earliest. The last leaf has no end, nor has one for later.
    pub end: u64,
    /// Bytes of the widest hole between them, if there are other leaves.
    pub widest: u64,
}

impl<T: Interval> Leaf<T> {
    /// Changes intervals at a place.
    pub fn change(&mut self, at: usize, change: impl FnOnce(&mut Vec<T>)) {
        let lost = self.widest_around(at);
        change(&mut self.items);
        self.end = self.items.get(at).map_or(self.end, |interval| interval.end().max(self.end));
        let gained = self.widest_around(at);
        if gained >= self.widest {
            self.widest = gained;
        } else if lost == self.widest {
            self.update();
        }
    }

    /// Measures the holes anew.
    pub fn update(&mut self) {
        self.widest = widest(&self.items);
    }

    /// Bytes of the widest hole at the sides of a place.
    fn widest_around(&self, at: usize) -> u64 {
        let end = self.items.len().min(at + 2);
        widest(self.items.get(at.saturating_sub(1)..end).unwrap_or_default())
    }

    /// The first number from this one on behind which so many belong to no interval, or else the end of the last interval.
    pub fn hole(&self, from: u64, wanted: u64) -> Result<u64, u64> {
        self.items.iter().try_fold(from, |from, interval| {
            if interval.start().saturating_sub(from) >= wanted { Err(from) } else { Ok(from.max(interval.end())) }
        })
    }
}

/// Bytes of the widest hole between items.
fn widest<T: Interval>(items: &[T]) -> u64 {
    let holes = items.iter().zip(items.iter().skip(1)).map(|(one, next)| next.start() - one.end());
    holes.max().unwrap_or(0)
}
