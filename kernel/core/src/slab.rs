//! Storage of one kind of kernel object, named by index and generation.
use crate::heap::OutOfHeap;
use crate::ipc::operation::Refusal;
use crate::ledger::{Ledger, Resource};
use crate::table::{LentTable, Table};
use core::fmt;
use core::marker::PhantomData;
use core::num::NonZeroU64;
use kernel_lend::{Slot, Taken};

/// Names an object in a [`Slab`]: its index in the low half of a word, and a generation, never 0, in the high half. An id of a
/// removed object never names another one: generations do not come round in practice.
pub struct Id<T> {
    word: NonZeroU64,
    kind: PhantomData<fn() -> T>,
}

/// What the first generation adds to an index.
const FIRST_GENERATION: NonZeroU64 = NonZeroU64::new(1 << u32::BITS).expect("not zero");

impl<T> Id<T> {
    /// The first id of a place.
    fn first(index: u32) -> Self {
        Self { word: FIRST_GENERATION | u64::from(index), kind: PhantomData }
    }

    /// The next id of the same place.
    fn next(self) -> Self {
        self.word.checked_add(FIRST_GENERATION.get()).map_or(Self::first(self.index()), |word| Self { word, ..self })
    }

    /// The word that [`Slab::find`] finds it by.
    pub fn word(self) -> u64 {
        self.word.get()
    }

    /// Index in the slab.
    #[inline]
    pub fn index(self) -> u32 {
        self.word.get() as u32
    }
}

impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Id<T> {}
impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.word == other.word
    }
}
impl<T> Eq for Id<T> {}
impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index(), self.word.get() >> u32::BITS)
    }
}

struct Entry<T> {
    /// The id of what it holds, or of what it will hold next.
    id: Id<T>,
    place: Place<T>,
}

/// A tag of its own is looked at faster than one in the object's spare values.
#[repr(u32)]
enum Place<T> {
    /// Nothing; the next free place.
    Free(u32),
    /// An object.
    Used(T),
}

impl<T> Entry<T> {
    #[inline]
    fn value(&self) -> Option<&T> {
        match &self.place {
            Place::Used(value) => Some(value),
            Place::Free(_) => None,
        }
    }

    #[inline]
    fn value_mut(&mut self) -> Option<&mut T> {
        match &mut self.place {
            Place::Used(value) => Some(value),
            Place::Free(_) => None,
        }
    }
}

const NONE: u32 = u32::MAX;

/// Objects of one kind.
pub struct Slab<T> {
    entries: Table<Slot<Entry<T>>>,
    first_free: u32,
    len: u32,
}

impl<T> Slab<T> {
    /// An empty slab.
    pub const fn new() -> Self {
        Self { entries: Table::new(), first_free: NONE, len: 0 }
    }

    /// Number of objects.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Number of places, free ones included; ids have smaller indexes.
    pub fn slots(&self) -> u32 {
        self.entries.len() as u32
    }

    /// Makes sure that one more object can be stored.
    pub fn prepare(&mut self) -> Result<(), OutOfHeap> {
        if self.first_free != NONE {
            return Ok(());
        }
        self.entries.reserve(self.entries.len() + 1)
    }

    /// As [`Self::prepare`], for a slab for which this ledger pays.
    pub fn prepare_at(&mut self, ledger: &mut Ledger) -> Result<(), Refusal> {
        if self.first_free != NONE { Ok(()) } else { self.entries.reserve_at(self.entries.len() + 1, ledger) }
    }

    /// Gives the memory of an empty slab back to the ledger that has paid for it.
    pub fn free(&mut self, ledger: &mut Ledger) {
        debug_assert!(self.len == 0, "what is in a slab ends before the slab");
        ledger.refund(Resource::KernelMemory, self.held());
        *self = Self::new();
    }

    /// Bytes of the kernel's heap that it holds.
    pub fn held(&self) -> u64 {
        self.entries.held()
    }

    /// Makes sure that there can be so many objects.
    pub fn reserve(&mut self, objects: usize) -> Result<(), OutOfHeap> {
        self.entries.reserve(objects)
    }

    /// Stores an object.
    pub fn insert(&mut self, value: T) -> Result<Id<T>, OutOfHeap> {
        if let Some(entry) = self.entries.get_mut(self.first_free as usize)
            && let Place::Free(next) = entry.place
        {
            self.first_free = next;
            entry.place = Place::Used(value);
            self.len += 1;
            return Ok(entry.id);
        }
        self.entries.reserve(self.entries.len() + 1)?;
        let id = Id::first(self.entries.len() as u32);
        self.entries.push(Slot::new(Entry { id, place: Place::Used(value) }));
        self.len += 1;
        Ok(id)
    }

    /// Removes an object; its id names nothing from now on.
    pub fn remove(&mut self, id: Id<T>) -> Option<T> {
        let entry = self.entries.get_mut(id.index() as usize).filter(|e| e.id == id && e.value().is_some())?;
        let Place::Used(value) = core::mem::replace(&mut entry.place, Place::Free(self.first_free)) else {
            return None;
        };
        entry.id = id.next();
        self.first_free = id.index();
        self.len -= 1;
        Some(value)
    }

    /// Removes the object in a place.
    pub fn remove_at(&mut self, place: u32) -> Option<T> {
        self.id_at(place).and_then(|id| self.remove(id))
    }

    /// The object, if it still exists.
    #[inline(always)]
    pub fn get(&self, id: Id<T>) -> Option<&T> {
        self.entries.get(id.index() as usize).filter(|e| e.id == id)?.value()
    }

    /// The object, if it still exists.
    #[inline(always)]
    pub fn get_mut(&mut self, id: Id<T>) -> Option<&mut T> {
        self.entries.get_mut(id.index() as usize).filter(|e| e.id == id)?.value_mut()
    }

    /// Lends the objects for as long as the slab is borrowed.
    pub fn lend(&mut self) -> LentSlab<'_, T> {
        LentSlab { entries: self.entries.lend() }
    }

    /// The object in a place, if there is one.
    pub fn at(&self, place: u32) -> Option<&T> {
        self.entries.get(place as usize)?.value()
    }

    /// The object in a place, if there is one.
    pub fn at_mut(&mut self, place: u32) -> Option<&mut T> {
        self.entries.get_mut(place as usize)?.value_mut()
    }

    /// The id of an object that exists, by its word.
    pub fn find(&self, word: u64) -> Option<Id<T>> {
        self.id_at(word as u32).filter(|id| id.word() == word)
    }

    /// The id of the object at this index, if there is one.
    pub fn id_at(&self, index: u32) -> Option<Id<T>> {
        let entry = self.entries.get(index as usize)?;
        entry.value().is_some().then_some(entry.id)
    }
}

/// The objects of a slab that is lent: each is used by one processor at a time.
pub struct LentSlab<'a, T> {
    entries: LentTable<'a, Entry<T>>,
}

impl<'a, T> LentSlab<'a, T> {
    /// The object, if it exists and nobody uses it.
    #[inline]
    pub fn take(&self, id: Id<T>) -> Option<Taken<'a, T>> {
        let entry = self.entries.get(id.index() as usize)?.take()?;
        entry.part(|entry| if entry.id == id { entry.value_mut() } else { None })
    }

    /// The object at this index and its id, if there is one and nobody uses it.
    pub fn take_at(&self, index: u32) -> Option<(Id<T>, Taken<'a, T>)> {
        let entry = self.entries.get(index as usize)?.take()?;
        let id = entry.id;
        entry.part(Entry::value_mut).map(|object| (id, object))
    }
}

/// An object that the caller knows to exist: something that exists refers to it. A missing one is a kernel bug.
impl<T> core::ops::Index<Id<T>> for Slab<T> {
    type Output = T;
    #[inline(always)]
    fn index(&self, id: Id<T>) -> &T {
        self.get(id).expect("a referenced object exists")
    }
}

impl<T> core::ops::IndexMut<Id<T>> for Slab<T> {
    #[inline(always)]
    fn index_mut(&mut self, id: Id<T>) -> &mut T {
        self.get_mut(id).expect("a referenced object exists")
    }
}
