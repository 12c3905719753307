//! The operations of the ring, one file each. Each checks its entry whole, then acts.
pub(crate) mod call;
mod cancel;
pub(crate) mod deliver;
mod receive;
mod release;
pub(crate) mod reply;
pub(crate) mod signal;
pub(crate) mod wait;

pub use call::refused;

use crate::Kernel;
use crate::execution::thread::Thread;
use crate::heap::{OutOfHeap, Payer};
use crate::ipc::enter::Caller;
use crate::ledger::Exhausted;
use crate::memory::frame::OutOfFrames;
use crate::platform::Platform;
use crate::slab::Id;
use capos_abi::ring::{Submission, op};
use capos_abi::status::{self, Status, exhausted, resource};

/// What came of an entry that was accepted.
pub enum Step {
    /// It is done.
    Done(Done),
    /// It has a pending record and will complete later.
    Pending,
    /// It is not done: the same entry goes on in the next stay.
    Again,
}

/// Fields of a successful completion.
#[derive(Clone, Copy, Debug, Default)]
pub struct Done {
    /// Bytes of the result.
    pub bytes: u32,
    /// Capabilities in it.
    pub caps: u8,
    /// By operation.
    pub value: u64,
}

/// Why an entry was refused; nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Status of the completion.
    pub status: Status,
    /// Its `bytes`.
    pub bytes: u32,
    /// Its `value`.
    pub value: u64,
}

impl Refusal {
    /// A status with a figure.
    pub fn with(status: Status, value: u64) -> Self {
        Self { status, bytes: 0, value }
    }
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Self::with(status, 0)
    }
}

impl From<Exhausted> for Refusal {
    fn from(Exhausted { resource, ledger, requested, remaining }: Exhausted) -> Self {
        let saturated = |amount: u64| amount.min(u32::MAX.into());
        Self {
            status: status::EXHAUSTED,
            bytes: u32::from(resource) << exhausted::RESOURCE_SHIFT | ledger & exhausted::LEDGER_MASK,
            value: saturated(requested) << exhausted::REQUESTED_SHIFT | saturated(remaining),
        }
    }
}

impl From<OutOfFrames> for Refusal {
    fn from(OutOfFrames { requested, remaining }: OutOfFrames) -> Self {
        Exhausted::machine(resource::FRAMES, requested, remaining).into()
    }
}

impl From<OutOfHeap> for Refusal {
    fn from(OutOfHeap { requested }: OutOfHeap) -> Self {
        Exhausted::machine(resource::KERNEL_MEMORY, requested, 0).into()
    }
}

impl<P: Platform> Kernel<P> {
    /// Runs one entry of a thread's ring.
    #[inline]
    pub(crate) fn operate(&mut self, caller: &Caller, entry: &Submission) -> Result<Step, Refusal> {
        let thread = caller.thread;
        match entry.op {
            op::NOP => Ok(Step::Done(Done::default())),
            op::CALL => self.call(caller, entry),
            op::RECV => self.receive(thread, entry),
            op::RETURN => self.reply(caller, entry),
            op::CANCEL => self.cancel(thread, entry),
            op::RELEASE => self.release_handle(thread, entry),
            op::WAIT => self.wait(caller, entry),
            op::SIGNAL => self.signal(caller, entry),
            _ => Err(status::BAD_OPCODE.into()),
        }
    }

    /// Checks that a tag of a thread is free, and makes its record.
    #[cold]
    pub(crate) fn check_tag(&mut self, thread: Id<Thread>, tag: u16) -> Result<(), Refusal> {
        let entry = &mut self.threads[thread];
        entry.ring.check_tag(tag, Payer { ledgers: &mut self.ledgers, ledger: entry.ledger, stay: &mut self.stay })
    }

    /// Checks that an entry has no flags but these.
    fn check_flags(entry: &Submission, allowed: u16) -> Result<(), Refusal> {
        if entry.flags & !allowed != 0 { Err(status::BAD_FLAGS.into()) } else { Ok(()) }
    }
}
