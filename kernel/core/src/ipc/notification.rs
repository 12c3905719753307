//! Notifications: sticky bits and those who wait for them.
use crate::execution::thread::Thread;
use crate::heap::{self, Payer};
use crate::ipc::operation::Refusal;
use crate::ipc::record::Waiter;
use crate::ledger::Ledger;
use crate::slab::Id;
use alloc::vec::Vec;

/// Who can wait for one notification, the end of one thread or process, or the faults of one process at most.
pub const MAX_WAITERS: usize = 256;

/// 64 bits that stay set until taken.
#[derive(Default)]
pub struct Bits {
    set: u64,
    waiters: Vec<(Waiter, u64)>,
    /// A chore answers those who wait for bits that are set.
    is_left: bool,
}

/// Whose bits are set.
#[derive(Clone, Copy)]
pub enum Signalled {
    /// Those of a notification object.
    Notification(Id<Notification>),
    /// A thread's own.
    Thread(Id<Thread>),
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

    /// Whether none is set.
    #[inline]
    pub fn is_clear(&self) -> bool {
        self.set == 0
    }

    /// Adds a waiter for any of `wanted`. There is room: it was made.
    #[inline]
    pub fn wait(&mut self, waiter: Waiter, wanted: u64) {
        self.waiters.push((waiter, wanted));
    }

    /// Whether there is room for one more waiter.
    #[inline]
    pub fn has_room(&self) -> bool {
        heap::has_room(&self.waiters, 1)
    }

    /// Makes room for one more waiter.
    #[inline]
    pub fn make_room(&mut self, payer: Payer<'_>) -> Result<(), Refusal> {
        heap::make_room(&mut self.waiters, 1, payer)
    }

    /// Gives the memory of the list back. Nobody waits any more.
    pub fn free(&mut self, ledger: &mut Ledger) {
        heap::free(&mut self.waiters, ledger);
    }

    /// Bytes of the kernel's heap that it holds.
    pub fn held(&self) -> u64 {
        heap::held(&self.waiters)
    }

    /// Whether nobody else can wait.
    pub fn is_full(&self) -> bool {
        self.waiters.len() == MAX_WAITERS
    }

    /// Who would stop waiting if these bits were set.
    pub fn satisfied_by(&self, bits: u64) -> Satisfied {
        let mut satisfied = self.waiters.iter().filter(|(_, wanted)| (self.set | bits) & wanted != 0);
        match (satisfied.next(), satisfied.next()) {
            (None, _) => Satisfied::Nobody,
            (Some(&(waiter, _)), None) => Satisfied::One(waiter),
            (Some(_), Some(_)) => Satisfied::Several,
        }
    }

    /// The longest waiting one whose bits are set, with the bits it takes.
    #[inline(always)]
    pub fn pop_satisfied(&mut self) -> Option<(Waiter, u64)> {
        if self.is_clear() {
            return None;
        }
        let at = self.waiters.iter().position(|(_, wanted)| self.set & wanted != 0)?;
        // Behind the last one nothing moves up.
        let last = at + 1 == self.waiters.len();
        let (waiter, wanted) = if last { self.waiters.pop()? } else { self.waiters.remove(at) };
        Some((waiter, self.take(wanted)))
    }

    /// How many wait.
    #[inline]
    pub fn waiters(&self) -> u32 {
        self.waiters.len() as u32
    }

    /// Leaves those who wait to a chore; whether it has to be made, because somebody waits and there is none.
    pub fn leave(&mut self) -> bool {
        !self.waiters.is_empty() && !core::mem::replace(&mut self.is_left, true)
    }

    /// The chore goes on.
    pub fn resume(&mut self) {
        self.is_left = false;
    }

    /// The longest waiting one.
    pub fn first_waiter(&self) -> Option<Waiter> {
        self.waiters.first().map(|&(waiter, _)| waiter)
    }

    /// Forgets a waiter; how many there were.
    pub fn remove(&mut self, waiter: Waiter) -> u32 {
        let waiters = self.waiters();
        self.waiters.retain(|(w, _)| *w != waiter);
        waiters
    }
}

/// Who stops waiting.
pub enum Satisfied {
    /// Nobody.
    Nobody,
    /// This one.
    One(Waiter),
    /// More than one.
    Several,
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
