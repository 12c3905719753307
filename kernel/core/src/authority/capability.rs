//! What a slot of a handle table holds.
use crate::authority::session::{ALL_ATTRIBUTES, Session};
use crate::execution::process::Process;
use crate::execution::thread::Thread;
use crate::ipc::endpoint::Endpoint;
use crate::ipc::notification::Notification;
use crate::ledger::Ledger;
use crate::memory::MemoryObject;
use crate::object::SchedulingContext;
use crate::slab::Id;
use capos_abi::interface;

/// A kernel object, or an object served behind an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object {
    /// An account.
    Ledger(Id<Ledger>),
    /// A process.
    Process(Id<Process>),
    /// A thread.
    Thread(Id<Thread>),
    /// The address space of a process.
    VirtualMemory(Id<Process>),
    /// A right to processor time.
    Scheduling(Id<SchedulingContext>),
    /// The say in how processor time is shared.
    SchedulingAuthority,
    /// The faults of a process.
    Faults(Id<Process>),
    /// The handle table of a process.
    Handles(Id<Process>),
    /// Shared memory.
    Memory(Id<MemoryObject>),
    /// An endpoint itself, to receive from.
    Endpoint(Id<Endpoint>),
    /// An object served behind an endpoint.
    Served(Served),
    /// Sticky bits.
    Notification(Id<Notification>),
    /// The monotonic clock.
    Clock,
    /// All interrupt lines.
    InterruptLines,
    /// One interrupt line.
    Interrupt(u8),
    /// A range of I/O ports: first and number.
    IoPorts(u16, u32),
    /// The kernel's log.
    KernelLog,
    /// Random bytes.
    Entropy,
    /// The machine.
    System,
    /// A session.
    Session(Id<Session>),
    /// A session, by one of those who make it last.
    SessionControl(Id<Session>),
    /// The right to open sessions.
    SessionAuthority,
    /// Nothing.
    Null,
}

/// An object that a process serves: (interface, key) behind an endpoint. The interface stands in the capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// Where calls wait.
    pub endpoint: Id<Endpoint>,
    /// Chosen by the minter.
    pub key: u64,
    /// The process that minted it, if it ends with that process.
    pub minter: Option<Id<Process>>,
}

/// An object and the interface that was granted on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capability {
    /// What it refers to.
    pub object: Object,
    /// Interface granted.
    pub interface: u64,
    /// Attributes of a caller's session that calls through it may disclose.
    pub disclosable: u8,
    /// It and its copies stay in the session of their holder.
    pub confined: bool,
}

impl Capability {
    /// A capability that may be passed to everybody.
    pub fn new(object: Object, interface: u64) -> Self {
        Self { object, interface, disclosable: ALL_ATTRIBUTES, confined: false }
    }

    /// Whether the granted interface is `called` or extends it.
    #[inline]
    pub fn offers(&self, called: u64) -> bool {
        self.interface == called || self.extends(called)
    }

    #[cold]
    #[inline(never)]
    fn extends(&self, called: u64) -> bool {
        interface::EXTENDS.contains(&(self.interface, called))
    }
}
