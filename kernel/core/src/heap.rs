//! The kernel's heap, of which every table and list is made. Whoever lets one grow has a ledger that pays for it.
use crate::execution::stay::{Stay, cost};
use crate::ipc::operation::Refusal;
use crate::ledger::{Ledger, Resource};
use crate::slab::{Id, Slab};
use alloc::vec::Vec;

/// Places that a list has as soon as it has one.
const MIN_PLACES: usize = 4;
/// A list that has no room grows by this part of itself, so that it is not copied for each new entry.
const GROWTH_DIVISOR: usize = 4;

/// The heap has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfHeap {
    /// Bytes that were asked for.
    pub requested: u64,
}

impl OutOfHeap {
    /// There is no room for so many of these.
    pub fn of<T>(count: usize) -> Self {
        Self { requested: bytes_of::<T>(count) }
    }
}

/// Who pays for what grows: a ledger with memory, looked up only if something does, and the stay with the time of the copy.
pub struct Payer<'a> {
    /// All ledgers.
    pub ledgers: &'a mut Slab<Ledger>,
    /// The one that pays.
    pub ledger: Id<Ledger>,
    /// This stay in the kernel.
    pub stay: &'a mut Stay,
}

/// Makes room for so many more; those that follow will not need the heap.
#[inline(always)]
pub fn make_room<T>(list: &mut Vec<T>, more: usize, payer: Payer<'_>) -> Result<(), Refusal> {
    if has_room(list, more) {
        return Ok(());
    }
    let Payer { ledgers, ledger, stay } = payer;
    pay_for_room(list, more, &mut ledgers[ledger], stay)
}

/// As [`make_room`], where there is none.
#[cold]
fn pay_for_room<T>(list: &mut Vec<T>, more: usize, ledger: &mut Ledger, stay: &mut Stay) -> Result<(), Refusal> {
    stay.spend(cost::ALLOCATION);
    stay.spend_on_bytes(held(list));
    grow(list, more, ledger)
}

/// Whether so many more will not need the heap.
#[inline]
pub fn has_room<T>(list: &Vec<T>, more: usize) -> bool {
    list.capacity() - list.len() >= more
}

/// Makes room for at least so many more, which the list does not have.
#[cold]
pub fn grow<T>(list: &mut Vec<T>, more: usize, ledger: &mut Ledger) -> Result<(), Refusal> {
    let places = list.capacity() + (list.capacity() / GROWTH_DIVISOR).max(MIN_PLACES);
    grow_to(list, places.max(list.len() + more), ledger)
}

/// Makes room for exactly so many more in an empty list.
pub fn allocate<T>(count: usize, ledger: &mut Ledger) -> Result<Vec<T>, Refusal> {
    let mut list = Vec::new();
    grow_to(&mut list, count, ledger)?;
    Ok(list)
}

fn grow_to<T>(list: &mut Vec<T>, places: usize, ledger: &mut Ledger) -> Result<(), Refusal> {
    let bytes = bytes_of::<T>(places - list.capacity());
    ledger.charge(Resource::KernelMemory, bytes)?;
    list.try_reserve_exact(places - list.len()).map_err(|_| {
        ledger.refund(Resource::KernelMemory, bytes);
        OutOfHeap { requested: bytes }.into()
    })
}

/// Gives an empty list's memory back.
pub fn free<T>(list: &mut Vec<T>, ledger: &mut Ledger) {
    debug_assert!(list.is_empty(), "what is in a list ends before the list");
    ledger.refund(Resource::KernelMemory, held(list));
    *list = Vec::new();
}

/// Bytes that a list holds.
pub fn held<T>(list: &Vec<T>) -> u64 {
    bytes_of::<T>(list.capacity())
}

/// Bytes that so many places of a list hold.
pub const fn bytes_of<T>(places: usize) -> u64 {
    (places * size_of::<T>()) as u64
}
