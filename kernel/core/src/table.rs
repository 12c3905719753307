//! A table that grows without moving what is in it: in pieces, each twice as long as the one before.
//!
//! Only the first piece grows by copying, like any vector, and that is short. What stands in it is found in one step.
use crate::heap::{self, OutOfHeap, bytes_of};
use crate::ipc::operation::Refusal;
use crate::ledger::{Ledger, Resource};
use alloc::vec::Vec;
use kernel_lend::{Lent, Slot};

/// Places of the first piece at most.
pub const FIRST_PLACES: usize = 64;

/// Places of the first piece at least.
const MIN_PLACES: usize = 4;

/// Pieces behind the first one that are lent: with them, as many places as there can be threads.
const LENT_PIECES: usize = 6;
const _: () = assert!(FIRST_PLACES << LENT_PIECES == crate::MAX_THREADS as usize);

/// Places that are numbered from 0.
pub struct Table<T> {
    first: Vec<T>,
    /// The piece at `n` begins with the place `FIRST_PLACES << n`, and has as many.
    rest: Vec<Vec<T>>,
    len: usize,
}

impl<T> Table<T> {
    /// A table without places.
    pub const fn new() -> Self {
        Self { first: Vec::new(), rest: Vec::new(), len: 0 }
    }

    /// Number of places.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Makes sure that the table can have so many places, for which this ledger pays.
    pub fn reserve_at(&mut self, places: usize, ledger: &mut Ledger) -> Result<(), Refusal> {
        let bytes = self.missing(places);
        ledger.charge(Resource::KernelMemory, bytes)?;
        let before = self.held();
        self.reserve(places).map_err(|heap| {
            ledger.refund(Resource::KernelMemory, bytes - (self.held() - before));
            heap.into()
        })
    }

    /// Bytes of the heap that it holds.
    pub fn held(&self) -> u64 {
        heap::held(&self.first) + heap::held(&self.rest) + self.rest.iter().map(heap::held).sum::<u64>()
    }

    /// Bytes that it takes from the heap to have so many places.
    fn missing(&self, places: usize) -> u64 {
        let first = first_places(places).saturating_sub(self.first.capacity());
        let more = (self.rest.len()..).take_while(|&piece| places > FIRST_PLACES << piece);
        let rest = more.map(|piece| bytes_of::<T>(FIRST_PLACES << piece) + bytes_of::<Vec<T>>(1));
        bytes_of::<T>(first) + rest.sum::<u64>()
    }

    /// Makes sure that the table can have so many places.
    pub fn reserve(&mut self, places: usize) -> Result<(), OutOfHeap> {
        let first = first_places(places);
        if first > self.first.capacity() {
            let missing = first - self.first.len();
            self.first.try_reserve_exact(missing).map_err(|_| OutOfHeap::of::<T>(missing))?;
        }
        while places > FIRST_PLACES << self.rest.len() {
            self.rest.try_reserve_exact(1).map_err(|_| OutOfHeap::of::<Vec<T>>(1))?;
            let mut piece = Vec::new();
            let places = FIRST_PLACES << self.rest.len();
            piece.try_reserve_exact(places).map_err(|_| OutOfHeap::of::<T>(places))?;
            self.rest.push(piece);
        }
        Ok(())
    }

    /// Adds a place. There is room: it was reserved.
    pub fn push(&mut self, value: T) {
        if self.len < FIRST_PLACES {
            self.first.push(value);
        } else if let Some((piece, _)) = position(self.len)
            && let Some(piece) = self.rest.get_mut(piece)
        {
            debug_assert!(piece.len() < piece.capacity(), "room was reserved");
            piece.push(value);
        }
        self.len += 1;
    }

    /// Takes the last place away.
    pub fn pop(&mut self) -> Option<T> {
        let last = self.len.checked_sub(1)?;
        self.len = last;
        if last < FIRST_PLACES {
            return self.first.pop();
        }
        let (piece, _) = position(last)?;
        self.rest.get_mut(piece)?.pop()
    }

    /// Takes a place away; the last one comes there.
    pub fn swap_remove(&mut self, at: usize) -> Option<T> {
        let last = self.pop()?;
        if at >= self.len {
            return Some(last);
        }
        self.get_mut(at).map(|place| core::mem::replace(place, last))
    }

    /// What stands in the first place.
    #[inline]
    pub fn first(&self) -> Option<&T> {
        self.first.first()
    }

    /// What stands in a place.
    #[inline(always)]
    pub fn get(&self, at: usize) -> Option<&T> {
        if at < self.first.len() { self.first.get(at) } else { self.get_behind(at) }
    }

    /// What stands in a place.
    #[inline(always)]
    pub fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        if at < self.first.len() { self.first.get_mut(at) } else { self.get_mut_behind(at) }
    }

    /// As [`Self::get`], behind the first piece.
    #[cold]
    #[inline(never)]
    fn get_behind(&self, at: usize) -> Option<&T> {
        let (piece, offset) = position(at)?;
        self.rest.get(piece)?.get(offset)
    }

    /// As [`Self::get_mut`], behind the first piece.
    #[cold]
    #[inline(never)]
    fn get_mut_behind(&mut self, at: usize) -> Option<&mut T> {
        let (piece, offset) = position(at)?;
        self.rest.get_mut(piece)?.get_mut(offset)
    }
}

/// The places of a table that is lent: each is used by one processor at a time.
pub struct LentTable<'a, T> {
    first: &'a [Lent<T>],
    rest: [&'a [Lent<T>]; LENT_PIECES],
}

impl<T> Table<Slot<T>> {
    /// Lends the first places for as long as the table is borrowed: those of so many pieces.
    pub fn lend(&mut self) -> LentTable<'_, T> {
        let mut rest: [&[Lent<T>]; LENT_PIECES] = [&[]; LENT_PIECES];
        for (lent, piece) in rest.iter_mut().zip(&mut self.rest) {
            *lent = Lent::lend(piece);
        }
        LentTable { first: Lent::lend(&mut self.first), rest }
    }
}

impl<'a, T> LentTable<'a, T> {
    /// What stands in a place, if it is lent.
    #[inline]
    pub fn get(&self, at: usize) -> Option<&'a Lent<T>> {
        if at < self.first.len() {
            return self.first.get(at);
        }
        let (piece, offset) = position(at)?;
        self.rest.get(piece)?.get(offset)
    }
}

/// Places that the first piece has if the table has so many.
fn first_places(places: usize) -> usize {
    places.next_power_of_two().clamp(MIN_PLACES, FIRST_PLACES)
}

/// In which piece behind the first one a place stands, and where there.
fn position(at: usize) -> Option<(usize, usize)> {
    let piece = (at / FIRST_PLACES).checked_ilog2()? as usize;
    Some((piece, at - (FIRST_PLACES << piece)))
}
