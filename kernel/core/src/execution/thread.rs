//! Threads: a register context, a ring, a notification.
use crate::execution::process::Process;
use crate::execution::schedule::account::Account;
use crate::heap;
use crate::ipc::endpoint::Endpoint;
use crate::ipc::notification::Bits;
use crate::ipc::record::{CallRecord, Waiter};
use crate::ipc::ring::Ring;
use crate::ledger::Ledger;
use crate::lifecycle::open_fault::OpenFault;
use crate::object::SchedulingContext;
use crate::platform::{ContextIndex, Platform};
use crate::slab::Id;
use alloc::vec::Vec;
use capos_abi::ring::Completion;
use capos_abi::status;

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
    /// Its place among the threads of its process.
    pub place: usize,
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
    /// Whether calls or notices may wait for a RECV on its ring.
    pub has_work: bool,
    /// How far the entry has come that goes on in the next stay: an address; a guess for any other entry.
    pub cursor: u64,
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

impl Thread {
    /// Gives the memory of what has ended back: pending operations, and those who wait.
    pub fn free_lists(&mut self, ledger: &mut Ledger) {
        self.ring.free(ledger);
        self.bits.free(ledger);
        heap::free(&mut self.waiters, ledger);
    }

    /// Bytes of the kernel's heap that it holds, its own record aside.
    pub fn held(&self) -> u64 {
        self.ring.held() + self.bits.held() + heap::held(&self.waiters)
    }

    /// Whether nothing of it is left but its record.
    pub fn is_put_away(&self) -> bool {
        self.state == State::Ended && self.held() == 0
    }

    /// Whether it waits for no more than so many completions.
    #[inline]
    pub fn wakes_with(&self, completions: u32) -> bool {
        matches!(self.state, State::Blocked(wanted) if self.ring.positions.unread() + completions >= wanted)
    }

    /// Posts a completion into its reserved place; true if the thread has waited for it and is ready now.
    #[inline(always)]
    #[must_use]
    pub fn complete(&mut self, platform: &impl Platform, context: ContextIndex, completion: &Completion) -> bool {
        self.ring.post_and_publish(platform, completion);
        let unread = self.ring.positions.unread();
        let State::Blocked(wanted) = self.state else { return false };
        let wakes = unread >= wanted;
        if wakes {
            self.enter_deadline = 0;
            self.state = State::Ready;
            platform.set_result(context, u64::from(unread));
        }
        wakes
    }

    /// Ends a call of this thread: frees its record and posts its completion. Nothing if there is none.
    #[inline(always)]
    pub fn end_call(&mut self, platform: &impl Platform, call: Waiter, end: Completion) -> Option<EndedCall> {
        let record = self.ring.end_call(call.tag)?;
        Some(self.finish_call(platform, call, &record, end))
    }

    /// Posts the completion of a call whose record is free.
    #[inline(always)]
    pub fn finish_call(
        &mut self,
        platform: &impl Platform,
        call: Waiter,
        record: &CallRecord,
        end: Completion,
    ) -> EndedCall {
        let wakes = if record.quiet && end.status == status::OK {
            self.ring.positions.unreserve(1);
            false
        } else {
            let completion = Completion { user_data: record.user_data, tag: call.tag, ..end };
            self.complete(platform, call.thread.index(), &completion)
        };
        let unused = record.accepted.saturating_sub(end.caps);
        EndedCall { wakes, endpoint: record.endpoint, unused, moves: record.moves }
    }
}

/// What a call that has ended leaves.
pub struct EndedCall {
    /// The caller has waited for it, and is ready now.
    pub wakes: bool,
    /// Where it went.
    pub endpoint: Id<Endpoint>,
    /// Handles that were set aside for its result and not used.
    pub unused: u8,
    /// Capabilities that it was to move.
    pub moves: u8,
}
