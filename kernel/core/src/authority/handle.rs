//! Handle tables: the capabilities that a process holds.
//!
//! A slot is also the node of the grant tree (see [`crate::authority::grant`]). Free slots are reused first-in-first-out and their
//! generation counts up, so that a stale handle names nothing.
use crate::authority::capability::Capability;
use crate::authority::grant::Links;
use crate::authority::revoke::Progress;
use crate::authority::session::{NO_REFERENCE, Reference};
use crate::execution::process::Process;
use crate::ipc::notice::Notice;
use crate::ipc::operation::Refusal;
use crate::ledger::{Exhausted, Ledger, Resource};
use crate::slab::Id;
use crate::table::Table;
use capos_abi::handle::{Handle, INDEX_BITS};

/// Slots in one table at most.
pub const MAX_SLOTS: u32 = 1 << 20;

/// A slot in some process's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotRef {
    /// Whose table.
    pub process: Id<Process>,
    /// Which slot.
    pub index: u32,
}

/// Whether a capability can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// It can.
    Open,
    /// It is on its way to another process, until it arrives or the call is cancelled.
    Moving,
    /// It is being revoked: the search for the operations that use it has come so far.
    Revoked(Progress),
}

/// One slot.
pub struct Slot {
    /// The handle of what it holds, or of what it will hold next.
    handle: Handle,
    next_free: u32,
    capability: Option<Capability>,
    /// Position in the grant tree.
    pub links: Links,
    /// Whether it can be used.
    pub lock: Lock,
    /// The holder's session as the endpoint of a served object knows it; zero until the first call.
    pub session: Reference,
    /// What the holder is to learn of it.
    pub notice: Notice,
}

const NONE: u32 = u32::MAX;

/// What the first generation adds to an index.
const FIRST_GENERATION: Handle = 1 << INDEX_BITS;

/// The first handle of a slot. No generation is 0, so no handle is.
fn first_handle(index: u32) -> Handle {
    FIRST_GENERATION | Handle::from(index)
}

/// The handle table of a process.
pub struct HandleTable {
    slots: Table<Slot>,
    oldest_free: u32,
    newest_free: u32,
    used: u32,
    reserved: u32,
}

impl HandleTable {
    /// An empty table.
    pub const fn new() -> Self {
        Self { slots: Table::new(), oldest_free: NONE, newest_free: NONE, used: 0, reserved: 0 }
    }

    /// Slots in use.
    pub fn used(&self) -> u32 {
        self.used
    }

    /// Free slots that are set aside.
    #[cfg(test)]
    pub fn reserved(&self) -> u32 {
        self.reserved
    }

    /// Whether there are slots for `count` more capabilities.
    #[inline]
    pub fn has_slots(&self, count: u32) -> bool {
        self.used + self.reserved + count <= self.len()
    }

    /// Makes sure that `count` more capabilities can be inserted; this ledger pays for the slots.
    pub fn reserve(&mut self, count: u32, ledger: &mut Ledger) -> Result<(), Refusal> {
        let free = self.slots.len() - self.used as usize;
        let wanted = (self.reserved + count) as usize;
        if wanted > free {
            let more = wanted - free;
            let left = MAX_SLOTS as usize - self.slots.len();
            if more > left {
                return Err(Exhausted::machine(Resource::Handles as u8, more as u64, left as u64).into());
            }
            self.slots.reserve_at(self.slots.len() + more, ledger)?;
            (0..more).for_each(|_| self.add_free_slot());
        }
        self.reserved += count;
        Ok(())
    }

    /// Gives back what [`Self::reserve`] set aside.
    pub fn unreserve(&mut self, count: u32) {
        self.reserved -= count;
    }

    /// Puts a capability into a slot that was reserved.
    pub fn insert_reserved(&mut self, capability: Capability) -> u32 {
        self.reserved -= 1;
        self.used += 1;
        let index = self.oldest_free;
        let slot = self.slot_mut(index).expect("a reserved slot is free");
        let next = core::mem::replace(&mut slot.next_free, NONE);
        slot.capability = Some(capability);
        slot.lock = Lock::Open;
        slot.session = NO_REFERENCE;
        slot.notice = Notice::Never;
        self.oldest_free = next;
        if next == NONE {
            self.newest_free = NONE;
        }
        index
    }

    /// Keeps the capability in a slot, and its copies, within the session of this table's process.
    pub fn confine(&mut self, index: u32) {
        if let Some(capability) = self.slot_mut(index).and_then(|slot| slot.capability.as_mut()) {
            capability.confined = true;
        }
    }

    /// Empties a slot. Its links must have been taken out of the grant tree.
    pub fn remove(&mut self, index: u32) -> Option<Capability> {
        let slot = self.slot_mut(index)?;
        let capability = slot.capability.take()?;
        slot.handle = slot.handle.checked_add(FIRST_GENERATION).unwrap_or(first_handle(index));
        self.used -= 1;
        self.append_free(index);
        Some(capability)
    }

    /// The capability that a handle names, on its way elsewhere or not.
    #[inline]
    pub fn get_any(&self, handle: Handle) -> Option<&Capability> {
        let slot = self.slots.get(handle as u32 as usize)?;
        slot.capability.as_ref().filter(|_| slot.handle == handle)
    }

    /// Index of the slot that a handle names, on its way elsewhere or not.
    #[inline]
    pub fn any_index_of(&self, handle: Handle) -> Option<u32> {
        self.get_any(handle).map(|_| handle as u32)
    }

    /// Index of the slot that a usable handle names.
    pub fn index_of(&self, handle: Handle) -> Option<u32> {
        self.any_index_of(handle).filter(|&i| self.slot(i).is_some_and(|s| s.lock == Lock::Open))
    }

    /// The slot that a usable handle names, and the capability in it.
    #[inline]
    pub fn find(&self, handle: Handle) -> Option<(&Slot, &Capability)> {
        let slot = self.slots.get(handle as u32 as usize)?;
        let usable = slot.handle == handle && matches!(slot.lock, Lock::Open);
        slot.capability.as_ref().filter(|_| usable).map(|capability| (slot, capability))
    }

    /// The capability that a usable handle names.
    #[inline]
    pub fn get(&self, handle: Handle) -> Option<&Capability> {
        self.find(handle).map(|(_, capability)| capability)
    }

    /// The handle of a slot in use.
    pub fn handle_of(&self, index: u32) -> Handle {
        self.slots.get(index as usize).map_or(0, |slot| slot.handle)
    }

    /// The slot at this index.
    pub fn slot(&self, index: u32) -> Option<&Slot> {
        self.slots.get(index as usize)
    }

    /// The slot at this index.
    pub fn slot_mut(&mut self, index: u32) -> Option<&mut Slot> {
        self.slots.get_mut(index as usize)
    }

    /// Number of slots, free ones included.
    pub fn len(&self) -> u32 {
        self.slots.len() as u32
    }

    /// Gives the memory of a table back that nobody will use again.
    pub fn free(&mut self, ledger: &mut Ledger) {
        ledger.refund(Resource::KernelMemory, self.held());
        *self = Self::new();
    }

    /// Bytes of the kernel's heap that it holds.
    pub fn held(&self) -> u64 {
        self.slots.held()
    }

    fn add_free_slot(&mut self) {
        let index = self.slots.len() as u32;
        self.slots.push(Slot {
            handle: first_handle(index),
            next_free: NONE,
            capability: None,
            links: Links::ROOT,
            lock: Lock::Open,
            session: NO_REFERENCE,
            notice: Notice::Never,
        });
        self.append_free(index);
    }

    fn append_free(&mut self, index: u32) {
        let newest = core::mem::replace(&mut self.newest_free, index);
        match self.slot_mut(newest) {
            Some(slot) => slot.next_free = index,
            None => self.oldest_free = index,
        }
        if let Some(slot) = self.slot_mut(index) {
            slot.next_free = NONE;
        }
    }
}

impl Slot {
    /// What it holds.
    pub fn capability(&self) -> Option<&Capability> {
        self.capability.as_ref()
    }
}
