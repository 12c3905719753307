//! What one thread's asynchronous runtime consists of, and the way of every completion to the record it belongs to.
use crate::arena::{Range, USUAL_BYTES};
use crate::call::{self, Alarm, Call};
use crate::executor::{Mailbox, Task, WakeCell};
use crate::fifo::Fifo;
use crate::handles::Handles;
use crate::hooks::tag::record_of;
use crate::incoming::Incoming;
use crate::object::Object;
use crate::pool::Pool;
use crate::receiver::{self, Receiver};
use crate::ring::{self, IGNORED, Ring};
use crate::slab::Slab;
use crate::wait::{self, Waiting};
use capos_abi::handle::{Handle, NULL};
use capos_abi::ring::{COMPLETION_ENTRIES, Completion, RECEIVE_HEADROOM};
use capos_abi::status;
use core::cell::Cell;

/// Completions that asynchronous operations may have reserved or unread; the rest is left to blocking operations
/// and the alarm.
const COMPLETION_BUDGET: u32 = COMPLETION_ENTRIES - RECEIVE_HEADROOM;

/// Whose completion it is: bits 56 to 62 of `user_data`; the low bits say which.
pub mod class {
    /// A call made by this thread.
    pub const CALL: u64 = 1 << 56;
    /// A WAIT.
    pub const WAIT: u64 = 2 << 56;
    /// A RECV.
    pub const RECEIVE: u64 = 3 << 56;
    /// A failed RETURN; the low bits are the call's token.
    pub const RETURN: u64 = 4 << 56;
    /// The WAIT for other threads' wakes.
    pub const MAILBOX: u64 = 5 << 56;
    /// The WAIT for deadlines of calls that have not left.
    pub const ALARM: u64 = 6 << 56;
    /// The bits of a class.
    pub const MASK: u64 = 0x7f << 56;
}

/// One thread's runtime.
pub struct Runtime {
    /// Calls made.
    pub calls: Pool<Call>,
    /// WAITs.
    pub waits: Slab<Waiting>,
    /// Calls received.
    pub incoming: Pool<Incoming>,
    /// Endpoints served.
    pub receivers: Slab<Receiver>,
    /// Objects served or passed around in this thread.
    pub objects: Slab<Object>,
    /// Futures that run.
    pub tasks: Slab<Task>,
    /// Handles held.
    pub handles: Handles,
    /// Futures to be polled.
    pub ready: Fifo<&'static WakeCell>,
    /// Completions of RECVs that nobody has looked at.
    pub arrivals: Fifo<Completion>,
    /// Calls that wait for room in the ring or its arena.
    pub backlog: Fifo<&'static Call>,
    /// Ends them when their deadlines pass, and those that wait for their targets.
    pub alarm: Alarm,
    /// Ranges whose RETURN has not started; with the position behind it.
    pub returning: Fifo<(u32, Range)>,
    /// A range for the next answer, free when the submission before this position has started. A thread that serves keeps
    /// it, so that its own calls cannot take all of the arena.
    pub spare: Cell<Option<(u32, Range)>>,
    /// The endpoint on which objects are minted when they are passed out; 0: none.
    pub endpoint: Cell<Handle>,
    /// The received call whose method is running.
    pub serving: Cell<Option<&'static Incoming>>,
    /// Where other threads leave wakes.
    pub mailbox: Cell<Option<&'static Mailbox>>,
    /// Calls in the ring that are not answered.
    pub calls_in_flight: Cell<u32>,
    reserved: Cell<u32>,
}

/// The calling thread's runtime.
#[thread_local]
pub static RUNTIME: Runtime = Runtime {
    calls: Pool::new(),
    waits: Slab::new(),
    incoming: Pool::new(),
    receivers: Slab::new(),
    objects: Slab::new(),
    tasks: Slab::new(),
    handles: Handles::new(),
    ready: Fifo::new(),
    arrivals: Fifo::new(),
    backlog: Fifo::new(),
    alarm: Alarm::off(),
    returning: Fifo::new(),
    spare: Cell::new(None),
    endpoint: Cell::new(NULL),
    serving: Cell::new(None),
    mailbox: Cell::new(None),
    calls_in_flight: Cell::new(0),
    reserved: Cell::new(0),
};

impl Runtime {
    /// Whether nothing was ever done with it: there is nothing that could still happen.
    pub fn is_unused(&self) -> bool {
        let Self { calls, waits, incoming, receivers, objects, tasks, mailbox, .. } = self;
        let none = calls.is_unused() && waits.is_unused() && incoming.is_unused() && receivers.is_unused();
        none && objects.is_unused() && tasks.is_unused() && mailbox.get().is_none() && self.handles.is_unused()
    }

    /// Sets completions aside for an asynchronous operation; false if there are too few.
    #[inline]
    pub fn reserve(&self, completions: u32) -> bool {
        // What is unread counts too: notices come without having been asked for.
        let fits = self.reserved.get() + completions + ring::with(Ring::unread) <= COMPLETION_BUDGET;
        if fits {
            self.reserved.set(self.reserved.get() + completions);
        }
        fits
    }

    /// Gives completions back that were set aside.
    #[inline]
    pub fn unreserve(&self, completions: u32) {
        self.reserved.set(self.reserved.get() - completions);
    }

    /// Brings every completion to its record. No code of the program runs; what it is to see is queued.
    pub fn drain(&self) {
        self.drain_with(|arrival| self.arrivals.push(*arrival))
    }

    /// The same, but completions of RECVs go to `arrived`.
    #[inline]
    pub fn drain_with(&self, mut arrived: impl FnMut(&Completion)) {
        while let Some(completion) = ring::with(Ring::next) {
            match completion.user_data & class::MASK {
                class::RECEIVE => arrived(&completion),
                // SAFETY: entries of this class were made with the number of a call.
                class::CALL => call::finish(unsafe { record_of(completion.user_data & !class::MASK) }, &completion),
                class => self.route(class, &completion),
            }
        }
        self.settle_returned();
        if !self.backlog.is_empty() {
            call::retry_backlog();
        }
    }

    /// The same for completions of what a thread rarely does.
    fn route(&self, class: u64, completion: &Completion) {
        let index = completion.user_data as u32;
        match class {
            class::WAIT => wait::finish(index, completion),
            class::RETURN => receiver::answer_refused(completion),
            class::MAILBOX => {
                self.unreserve(1);
                ring::with(|ring| ring.give_tag(completion.tag));
                if let Some(mailbox) = self.mailbox.get() {
                    mailbox.empty(completion.status == status::OK);
                }
            }
            class::ALARM => self.alarm.finish(completion),
            IGNORED => {}
            _ => debug_assert!(false, "a completion of no operation: {completion:?}"),
        }
    }

    /// Keeps the range of an answer whose RETURN was just pushed, for a later answer or until the kernel has taken it.
    #[inline]
    pub fn returned(&self, range: Range) {
        let position = ring::with(Ring::position);
        if range.bytes == USUAL_BYTES && self.spare.get().is_none() {
            self.spare.set(Some((position, range)));
        } else {
            self.returning.push((position, range));
        }
    }

    /// Takes the range that is kept for the next answer, if it is free.
    #[inline]
    pub fn take_spare(&self) -> Option<Range> {
        let (_, range) = self.spare.get().filter(|(position, _)| is_started(*position))?;
        self.spare.set(None);
        Some(range)
    }

    /// Frees the ranges of answers that the kernel has taken.
    #[inline]
    pub fn settle_returned(&self) {
        if !self.returning.is_empty() {
            self.free_returned();
        }
    }

    #[cold]
    fn free_returned(&self) {
        while let Some((_, range)) = self.returning.first().filter(|(position, _)| is_started(*position)) {
            self.returning.pop();
            match self.spare.get() {
                None if range.bytes == USUAL_BYTES => self.spare.set(Some((ring::with(Ring::started), range))),
                _ => ring::with(|ring| ring.arena.give(range)),
            }
        }
    }
}

/// Whether the kernel has started the submission before this position.
#[inline]
fn is_started(position: u32) -> bool {
    ring::with(Ring::started).wrapping_sub(position) as i32 >= 0
}
