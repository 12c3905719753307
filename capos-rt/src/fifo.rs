//! A queue of one thread that is looked at all the time. No method calls code of the program or lends anything out, so that
//! there is no borrow to be counted.
use alloc::collections::VecDeque;
use core::cell::UnsafeCell;

/// First in, first out.
pub struct Fifo<T: Copy> {
    items: UnsafeCell<VecDeque<T>>,
}

impl<T: Copy> Fifo<T> {
    /// An empty one.
    pub const fn new() -> Self {
        Self { items: UnsafeCell::new(VecDeque::new()) }
    }

    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "the reference ends with the method that asks for it")]
    fn items(&self) -> &mut VecDeque<T> {
        // SAFETY: the methods of this file alone use it, each by itself: copying and dropping a `T` runs no code, and the type is
        // not `Sync`.
        unsafe { &mut *self.items.get() }
    }

    /// Whether there is nothing in it.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.items().is_empty()
    }

    /// How many there are in it.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.items().len()
    }

    /// Puts something in, behind the others.
    #[inline]
    pub fn push(&self, item: T) {
        self.items().push_back(item);
    }

    /// The first one.
    #[inline]
    pub fn first(&self) -> Option<T> {
        self.items().front().copied()
    }

    /// Takes the first one out.
    #[inline]
    pub fn pop(&self) -> Option<T> {
        self.items().pop_front()
    }

    /// Takes everything out.
    pub fn take(&self) -> VecDeque<T> {
        core::mem::take(self.items())
    }

    /// Everything in it, in its order. What is put in or taken out meanwhile may be missed or seen.
    pub fn iter(&self) -> impl Iterator<Item = T> {
        (0..).map_while(|index| self.items().get(index).copied())
    }

    /// Takes the first one out that is meant; whether there was one.
    pub fn remove(&self, is_meant: impl Fn(T) -> bool) -> bool {
        let place = self.iter().position(is_meant);
        place.and_then(|place| self.items().remove(place)).is_some()
    }
}

impl<T: Copy> Default for Fifo<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn the_first_in_is_the_first_out() {
        let fifo = Fifo::new();
        (1..=4).for_each(|number| fifo.push(number));
        assert_eq!((fifo.first(), fifo.len(), fifo.is_empty()), (Some(1), 4, false));
        assert!(fifo.remove(|number| number == 3) && !fifo.remove(|number| number == 3));
        assert!(fifo.iter().eq([1, 2, 4]));
        assert_eq!(fifo.pop(), Some(1));
        fifo.iter().for_each(|number| {
            if number == 2 {
                fifo.push(5)
            }
        });
        assert_eq!((fifo.take().as_slices().0, fifo.pop()), (&[2, 4, 5][..], None));
    }
}
