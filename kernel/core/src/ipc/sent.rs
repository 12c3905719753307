//! The capabilities that travel with a message, as their sender lists them.
use crate::authority::handle::{HandleTable, Lock};
use crate::ipc::operation::{Refusal, refused};
use crate::platform::{ArenaRange, Platform, RingArea};
use capos_abi::handle::{Handle, NULL};
use capos_abi::message::{CapDescriptor, MAX_CAPS, mode};
use capos_abi::status::transfer;

/// Bytes of a capability descriptor.
pub const DESCRIPTOR_BYTES: u32 = size_of::<CapDescriptor>() as u32;

/// The sender's handles.
#[derive(Clone, Copy)]
pub struct SentCaps {
    handles: [Handle; MAX_CAPS],
    len: u8,
    moves: u8,
    moved: u16,
    confined: u16,
}

impl SentCaps {
    /// None.
    pub const NONE: Self = Self { handles: [NULL; MAX_CAPS], len: 0, moves: 0, moved: 0, confined: 0 };

    /// Reads the capability descriptors before a segment; every one must name a capability that may be sent. What was
    /// listed here before is forgotten.
    pub fn read(
        &mut self,
        platform: &impl Platform,
        sender: &HandleTable,
        (area, segment): (RingArea, ArenaRange),
        count: u8,
    ) -> Result<(), Refusal> {
        (self.len, self.moves, self.moved, self.confined) = (0, 0, 0, 0);
        let first = segment.offset - u32::from(count) * DESCRIPTOR_BYTES;
        for i in 0..count {
            let [handle, sent_mode] = platform.read_arena_words(area, first + u32::from(i) * DESCRIPTOR_BYTES);
            let is_known = handle == NULL || sender.get(handle).is_some();
            let is_moved = sent_mode & mode::MOVE != 0 && handle != NULL;
            let is_twice = self.as_slice().contains(&handle) && (is_moved || self.moved().any(|h| h == handle));
            if !is_known {
                return Err(refused(i.into(), transfer::STALE));
            } else if is_twice {
                return Err(refused(i.into(), transfer::MOVED_TWICE));
            } else if sent_mode & !(mode::MOVE | mode::CONFINED) != 0 {
                return Err(refused(i.into(), transfer::UNKNOWN_MODE));
            }
            self.push(handle, is_moved, sent_mode & mode::CONFINED != 0);
        }
        Ok(())
    }

    /// Adds a handle; those beyond the limit are dropped (the entry's nibble cannot ask for more).
    fn push(&mut self, handle: Handle, is_moved: bool, is_confined: bool) {
        if let Some(place) = self.handles.get_mut(usize::from(self.len)) {
            *place = handle;
            self.moves += u8::from(is_moved);
            self.moved |= u16::from(is_moved) << self.len;
            self.confined |= u16::from(is_confined) << self.len;
            self.len += 1;
        }
    }

    /// The handles.
    pub fn as_slice(&self) -> &[Handle] {
        self.handles.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// The first of them.
    pub fn first(&self) -> Option<Handle> {
        self.as_slice().first().copied()
    }

    /// The handles that are moved.
    pub fn moved(&self) -> impl Iterator<Item = Handle> {
        let mut left = self.moved;
        core::iter::from_fn(move || {
            let next = self.handles.get(left.trailing_zeros() as usize).copied();
            left &= left.wrapping_sub(1);
            next
        })
    }

    /// How many are moved.
    pub fn moves(&self) -> u8 {
        self.moves
    }

    /// Whether the handle at this place is moved.
    pub fn is_moved(&self, index: usize) -> bool {
        self.moved >> index & 1 == 1
    }

    /// Whether the capability at this place is to stay in the receiver's session.
    pub fn is_confined(&self, index: usize) -> bool {
        self.confined >> index & 1 == 1
    }

    /// How many.
    pub fn len(&self) -> u8 {
        self.len
    }

    /// Locks or opens the slots of those that are moved, but for those that are being revoked.
    pub fn lock_moved(&self, sender: &mut HandleTable, lock: Lock) {
        for handle in self.moved() {
            if let Some(index) = sender.any_index_of(handle)
                && let Some(slot) = sender.slot_mut(index)
                && !matches!(slot.lock, Lock::Revoked(_))
            {
                slot.lock = lock;
            }
        }
    }
}
