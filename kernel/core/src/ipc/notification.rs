//! Notifications: sticky bits and those who wait for them.
use crate::heap::{OutOfHeap, make_room};
use crate::ipc::record::Waiter;
use crate::ledger::Ledger;
use crate::slab::Id;
use alloc::vec::Vec;

/// Who can wait for one notification at most.
pub const MAX_WAITERS: usize = 256;

/// 64 bits that stay set until taken.
#[derive(Default)]
pub struct Bits {
    set: u64,
    waiters: Vec<(Waiter, u64)>,
}

impl Bits {
    /// Sets bits.
    pub fn set(&mut self, bits: u64) {
        self.set |= bits;
    }

    /// Takes those of `wanted` that are set.
    pub fn take(&mut self, wanted: u64) -> u64 {
        let taken = self.set & wanted;
        self.set &= !taken;
        taken
    }

    /// Adds a waiter for any of `wanted`.
    #[inline]
    pub fn wait(&mut self, waiter: Waiter, wanted: u64) -> Result<(), OutOfHeap> {
        make_room(&mut self.waiters, 1)?;
        self.waiters.push((waiter, wanted));
        Ok(())
    }

    /// Whether nobody else can wait.
    pub fn is_full(&self) -> bool {
        self.waiters.len() == MAX_WAITERS
    }

    /// The longest waiting one whose bits are set, with the bits it takes.
    pub fn pop_satisfied(&mut self) -> Option<(Waiter, u64)> {
        if self.set == 0 {
            return None;
        }
        let at = self.waiters.iter().position(|(_, wanted)| self.set & wanted != 0)?;
        // Behind the last one nothing moves up.
        let last = at + 1 == self.waiters.len();
        let (waiter, wanted) = if last { self.waiters.pop()? } else { self.waiters.remove(at) };
        Some((waiter, self.take(wanted)))
    }

    /// The longest waiting one.
    pub fn first_waiter(&self) -> Option<Waiter> {
        self.waiters.first().map(|&(waiter, _)| waiter)
    }

    /// Forgets a waiter.
    pub fn remove(&mut self, waiter: Waiter) {
        self.waiters.retain(|(w, _)| *w != waiter);
    }
}

/// A notification object.
pub struct Notification {
    /// Slots and interrupts that refer to it.
    pub references: u32,
    /// Who pays for it; `None`: its ledger was reclaimed, and it has ended.
    pub ledger: Option<Id<Ledger>>,
    /// Its bits.
    pub bits: Bits,
}
