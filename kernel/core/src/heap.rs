//! The kernel's heap, of which every table and list is made.
use alloc::vec::Vec;

/// The heap has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfHeap {
    /// Bytes that were asked for.
    pub requested: u64,
}

impl OutOfHeap {
    /// There is no room for so many of these.
    pub fn of<T>(count: usize) -> Self {
        Self { requested: (count * size_of::<T>()) as u64 }
    }
}

/// Makes room for so many more; those that follow will not need the heap.
#[inline]
pub fn make_room<T>(list: &mut Vec<T>, more: usize) -> Result<(), OutOfHeap> {
    list.try_reserve(more).map_err(|_| OutOfHeap::of::<T>(more))
}
