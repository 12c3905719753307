//! Threads: a register context, a ring, a notification.
use crate::fault::OpenFault;
use crate::ledger::Ledger;
use crate::notification::Bits;
use crate::object::SchedulingContext;
use crate::process::Process;
use crate::record::Waiter;
use crate::ring::Ring;
use crate::schedule::account::Account;
use crate::slab::Id;
use alloc::vec::Vec;

/// What a thread is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its process has not started.
    Created,
    /// In a run queue.
    Ready,
    /// On this processor.
    Running(usize),
    /// Inside `cap_enter`, until so many completions are unread.
    Blocked(u32),
    /// Has faulted, and waits for its handler's answer.
    Faulted,
    /// Its process is suspended.
    Suspended(Pause),
    /// Runs no more; what it leaves is being put away.
    Stopped,
    /// Gone, but for the capabilities that refer to it.
    Ended,
}

/// Where a suspended thread goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// In its program.
    Running,
    /// With the `cap_enter` that it was inside of, from the start.
    Entering,
}

/// One thread.
pub struct Thread {
    /// Slots that refer to it, plus one while it has not ended.
    pub references: u32,
    /// Where it belongs.
    pub process: Id<Process>,
    /// Who pays for it.
    pub ledger: Id<Ledger>,
    /// Whether its ledger still pays: not once that was reclaimed.
    pub charged: bool,
    /// What it is doing.
    pub state: State,
    /// Its ring.
    pub ring: Ring,
    /// First address of its ring area in the process.
    pub ring_address: u64,
    /// Its own notification.
    pub bits: Bits,
    /// Deadline of the `cap_enter` it is blocked in, 0 = none.
    pub enter_deadline: u64,
    /// Whether the timer queue holds it.
    pub timer_set: bool,
    /// Whether a RECV runs on its ring.
    pub receives: bool,
    /// Processor that it ran on last.
    pub processor: usize,
    /// Its right to processor time, and what it has used.
    pub account: Account,
    /// The context that it is bound to.
    pub context: Option<Id<SchedulingContext>>,
    /// Exit code, once ended.
    pub code: i32,
    /// The fault that waits for an answer.
    pub fault: Option<OpenFault>,
    /// Calls of `join`.
    pub waiters: Vec<Waiter>,
}
