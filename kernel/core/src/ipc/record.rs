//! Pending records: operations of a ring that have started and not completed.
use crate::execution::process::Process;
use crate::execution::thread::Thread;
use crate::ipc::endpoint::Endpoint;
use crate::ipc::notification::Notification;
use crate::platform::ArenaRange;
use crate::slab::Id;
use alloc::vec::Vec;
use capos_abi::handle::Handle;
use capos_abi::message::DeliveryHeader;
use capos_abi::ring::{COMPLETION_ENTRIES, RECEIVE_HEADROOM};

/// Names a pending record: whose ring, which tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiter {
    /// The thread whose ring it is.
    pub thread: Id<Thread>,
    /// The record's tag.
    pub tag: u16,
}

/// A pending operation.
pub enum Record {
    /// The tag is free.
    Free,
    /// A call to a served object.
    Call(CallRecord),
    /// A running RECV.
    Receive(ReceiveRecord),
    /// A WAIT.
    Wait(WaitRecord),
    /// A kernel object's method that answers later.
    Method(MethodRecord),
}

/// Where a call to a served object stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallState {
    /// Waits at the endpoint, between these.
    Queued {
        /// Call before.
        previous: Option<Waiter>,
        /// Call behind.
        next: Option<Waiter>,
        /// What is delivered.
        letter: Letter,
    },
    /// Lies in this slot of a server's pool.
    Delivered {
        /// The server's RECV.
        receiver: Waiter,
        /// The slot.
        slot: u16,
    },
}

/// What a server gets of a call, capabilities aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The words of its delivery header.
    pub header: [u64; HEADER_WORDS],
    /// The capnp segment, behind the capability descriptors.
    pub segment: ArenaRange,
    /// The process that minted the object, if the object ends with it.
    pub minter: Option<Id<Process>>,
}

/// Words of the header before a delivered message.
pub const HEADER_WORDS: usize = size_of::<DeliveryHeader>() / size_of::<u64>();

/// A call to a served object: what its end needs.
pub struct CallRecord {
    /// The caller's handle of the object.
    pub handle: Handle,
    /// Comes back in the completion.
    pub user_data: u64,
    /// Where it stands.
    pub state: CallState,
    /// Where it goes.
    pub endpoint: Id<Endpoint>,
    /// No completion on success.
    pub quiet: bool,
    /// Capabilities accepted in the result; their slots are reserved.
    pub accepted: u8,
    /// How many capabilities it carries; which ones stands in the ring's list.
    pub caps: u8,
    /// How many of them move: their slots are locked.
    pub moves: u8,
    /// Where the result goes.
    pub result: ArenaRange,
    /// Absolute nanoseconds, 0 = none.
    pub deadline: u64,
}

/// Slots of a RECV's pool at most: each takes two completions.
pub const MAX_POOL_SLOTS: u64 = ((COMPLETION_ENTRIES - RECEIVE_HEADROOM) / 2) as u64;

/// A slot of a RECV's pool.
#[derive(Clone, Copy, Debug)]
pub struct PoolSlot {
    /// Counts deliveries; part of the token.
    pub generation: u32,
    /// What lies in it.
    pub state: PoolSlotState,
}

/// What lies in a slot of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolSlotState {
    /// Nothing.
    Free,
    /// A call that the server has not answered; a completion is reserved for the cancel notice.
    Call(Waiter),
    /// A call whose caller is gone; the server has not answered it yet.
    Abandoned,
}

/// A running RECV.
pub struct ReceiveRecord {
    /// The receiver's handle of the endpoint.
    pub handle: Handle,
    /// Comes back in every completion.
    pub user_data: u64,
    /// What it receives from.
    pub endpoint: Id<Endpoint>,
    /// Offset of the pool in the arena.
    pub pool_offset: u32,
    /// Bytes of a slot.
    pub slot_bytes: u32,
    /// Capabilities accepted with a call; so many handle slots are reserved for every free slot of the pool.
    pub accepted: u8,
    /// The slots.
    pub slots: Vec<PoolSlot>,
    /// Which of them are free, a bit for each.
    pub free: u64,
    /// It is being ended and takes no more calls.
    pub is_closed: bool,
}

impl ReceiveRecord {
    /// A free slot.
    #[inline]
    pub fn free_slot(&self) -> Option<u16> {
        (self.free != 0).then(|| self.free.trailing_zeros() as u16)
    }

    /// Puts a call into a free slot; the new generation of the slot.
    #[inline(always)]
    pub fn occupy(&mut self, slot: u16, call: Waiter) -> u32 {
        self.free &= !(1 << slot);
        let Some(place) = self.slots.get_mut(usize::from(slot)) else { return 0 };
        place.generation = place.generation.wrapping_add(1);
        place.state = PoolSlotState::Call(call);
        place.generation
    }

    /// The call in this slot was answered.
    #[inline]
    pub fn vacate(&mut self, slot: u16) {
        if let Some(place) = self.slots.get_mut(usize::from(slot)) {
            place.state = PoolSlotState::Free;
            self.free |= u64::from(!self.is_closed) << slot;
        }
    }
}

const _: () = assert!(MAX_POOL_SLOTS < u64::BITS as u64, "a bit for each slot");

/// A WAIT.
pub struct WaitRecord {
    /// The waiter's handle of the notification, 0 = its own bits.
    pub handle: Handle,
    /// Comes back in the completion.
    pub user_data: u64,
    /// What it waits for; `None`: the thread's own bits.
    pub notification: Option<Id<Notification>>,
    /// Absolute nanoseconds, 0 = none.
    pub deadline: u64,
}

/// A method of a kernel object that answers later.
pub struct MethodRecord {
    /// The caller's handle of the object.
    pub handle: Handle,
    /// Comes back in the completion.
    pub user_data: u64,
    /// What it waits for.
    pub target: MethodTarget,
    /// Where the result goes.
    pub result: ArenaRange,
    /// Absolute nanoseconds, 0 = none.
    pub deadline: u64,
}

/// What a pending method waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MethodTarget {
    /// The end of a process.
    Process(Id<Process>),
    /// The end of a thread.
    Thread(Id<Thread>),
    /// A fault of a process.
    Faults(Id<Process>),
}

impl Record {
    /// The handle that the operation uses, 0 = none.
    pub fn handle(&self) -> Handle {
        match self {
            Self::Free => 0,
            Self::Call(call) => call.handle,
            Self::Receive(receive) => receive.handle,
            Self::Wait(wait) => wait.handle,
            Self::Method(method) => method.handle,
        }
    }

    /// Deadline in absolute nanoseconds, 0 = none.
    pub fn deadline(&self) -> u64 {
        match self {
            Self::Free | Self::Receive(_) => 0,
            Self::Call(call) => call.deadline,
            Self::Wait(wait) => wait.deadline,
            Self::Method(method) => method.deadline,
        }
    }
}
