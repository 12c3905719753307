//! Storage of one kind of kernel object, named by index and generation.
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use core::num::NonZeroU32;

/// Names an object in a [`Slab`]. An id of a removed object never names another one: generations do not come round in practice.
pub struct Id<T> {
    index: u32,
    generation: NonZeroU32,
    kind: PhantomData<fn() -> T>,
}

impl<T> Id<T> {
    /// Index in the slab.
    pub fn index(self) -> u32 {
        self.index
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
        self.index == other.index && self.generation == other.generation
    }
}
impl<T> Eq for Id<T> {}
impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.generation)
    }
}

struct Entry<T> {
    generation: NonZeroU32,
    next_free: u32,
    value: Option<T>,
}

const NONE: u32 = u32::MAX;

/// The heap could not grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfHeap;

/// Objects of one kind.
pub struct Slab<T> {
    entries: Vec<Entry<T>>,
    first_free: u32,
    len: u32,
}

impl<T> Slab<T> {
    /// An empty slab.
    pub const fn new() -> Self {
        Self { entries: Vec::new(), first_free: NONE, len: 0 }
    }

    /// Number of objects.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Number of places, free ones included; ids have smaller indexes.
    pub fn slots(&self) -> u32 {
        self.entries.len() as u32
    }

    /// Stores an object.
    pub fn insert(&mut self, value: T) -> Result<Id<T>, OutOfHeap> {
        self.len += 1;
        if let Some(entry) = self.entries.get_mut(self.first_free as usize) {
            let index = core::mem::replace(&mut self.first_free, entry.next_free);
            entry.value = Some(value);
            return Ok(Id { index, generation: entry.generation, kind: PhantomData });
        }
        if self.entries.try_reserve(1).is_err() {
            self.len -= 1;
            return Err(OutOfHeap);
        }
        let index = self.entries.len() as u32;
        self.entries.push(Entry { generation: NonZeroU32::MIN, next_free: NONE, value: Some(value) });
        Ok(Id { index, generation: NonZeroU32::MIN, kind: PhantomData })
    }

    /// Removes an object; its id names nothing from now on.
    pub fn remove(&mut self, id: Id<T>) -> Option<T> {
        let entry = self.entries.get_mut(id.index as usize).filter(|e| e.generation == id.generation)?;
        let value = entry.value.take()?;
        entry.generation = entry.generation.checked_add(1).unwrap_or(NonZeroU32::MIN);
        entry.next_free = core::mem::replace(&mut self.first_free, id.index);
        self.len -= 1;
        Some(value)
    }

    /// The object, if it still exists.
    #[inline]
    pub fn get(&self, id: Id<T>) -> Option<&T> {
        self.entries.get(id.index as usize).filter(|e| e.generation == id.generation)?.value.as_ref()
    }

    /// The object, if it still exists.
    #[inline]
    pub fn get_mut(&mut self, id: Id<T>) -> Option<&mut T> {
        self.entries.get_mut(id.index as usize).filter(|e| e.generation == id.generation)?.value.as_mut()
    }

    /// Two different objects, if both exist.
    #[inline]
    pub fn pair_mut(&mut self, a: Id<T>, b: Id<T>) -> Option<(&mut T, &mut T)> {
        let [first, second] = self.entries.get_disjoint_mut([a.index as usize, b.index as usize]).ok()?;
        if first.generation != a.generation || second.generation != b.generation {
            return None;
        }
        Some((first.value.as_mut()?, second.value.as_mut()?))
    }

    /// The id of the object at this index, if there is one.
    pub fn id_at(&self, index: u32) -> Option<Id<T>> {
        let entry = self.entries.get(index as usize)?;
        entry.value.is_some().then_some(Id { index, generation: entry.generation, kind: PhantomData })
    }
}

/// An object that the caller knows to exist: something that exists refers to it. A missing one is a kernel bug.
impl<T> core::ops::Index<Id<T>> for Slab<T> {
    type Output = T;
    #[inline]
    fn index(&self, id: Id<T>) -> &T {
        self.get(id).expect("a referenced object exists")
    }
}

impl<T> core::ops::IndexMut<Id<T>> for Slab<T> {
    #[inline]
    fn index_mut(&mut self, id: Id<T>) -> &mut T {
        self.get_mut(id).expect("a referenced object exists")
    }
}
