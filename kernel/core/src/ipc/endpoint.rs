//! Endpoints: queued calls and those who receive them.
use crate::heap;
use crate::ipc::notice::Minter;
use crate::ipc::record::Waiter;
use crate::ledger::Ledger;
use crate::slab::Id;
use alloc::vec::Vec;

/// Bytes of a message that an endpoint accepts at most, unless its maker asked for less.
pub const MAX_MESSAGE_BYTES: u32 = capos_abi::ring::MAX_MESSAGE_BYTES;

/// Running RECVs of one endpoint at most.
pub const MAX_RECEIVERS: usize = 256;

/// One endpoint. The queue's links stand in the callers' pending records.
pub struct Endpoint {
    /// Slots that refer to it or to objects behind it, and running RECVs.
    pub references: u32,
    /// Who pays for it; `None`: its ledger was reclaimed, and it has ended.
    pub ledger: Option<Id<Ledger>>,
    /// Numbers endpoints: what the references of sessions depend on.
    pub scope: u64,
    /// Bytes of a call's message at most.
    pub max_message_bytes: u32,
    /// Bytes at most of the memory in which a longer message travels.
    pub max_large_bytes: u64,
    /// Slots through which calls can be received; without any, calls are stale.
    pub owners: u32,
    /// Call that has waited longest.
    pub first: Option<Waiter>,
    /// Call that came last.
    pub last: Option<Waiter>,
    /// Where the search for calls of a minter that has ended goes on.
    pub sweep: Option<Waiter>,
    /// Running RECVs; the next one to try stands first.
    pub receivers: Vec<Waiter>,
    /// Processes with origins here, which are told when nothing refers to those any more.
    pub minters: Vec<Minter>,
}

impl Endpoint {
    /// An endpoint without server.
    pub fn new(ledger: Id<Ledger>, scope: u64, max_message_bytes: u32, max_large_bytes: u64) -> Self {
        Self {
            references: 0,
            ledger: Some(ledger),
            scope,
            max_message_bytes,
            max_large_bytes,
            owners: 0,
            first: None,
            last: None,
            sweep: None,
            receivers: Vec::new(),
            minters: Vec::new(),
        }
    }

    /// So many of the receivers that stand first come last.
    #[cold]
    pub fn rotate_receivers(&mut self, count: usize) {
        self.receivers.rotate_left(count);
    }

    /// Gives the memory of its lists back.
    pub fn free(&mut self, ledger: &mut Ledger) {
        self.minters.clear();
        heap::free(&mut self.receivers, ledger);
        heap::free(&mut self.minters, ledger);
    }

    /// Bytes of the kernel's heap that it holds.
    #[cfg(test)]
    pub fn held(&self) -> u64 {
        heap::held(&self.receivers) + heap::held(&self.minters)
    }

    /// Forgets a RECV that has ended; how many there were.
    pub fn remove_receiver(&mut self, receiver: Waiter) -> usize {
        let receivers = self.receivers.len();
        self.receivers.retain(|r| *r != receiver);
        receivers
    }
}
