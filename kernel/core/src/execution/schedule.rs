//! Which thread runs where: virtual-deadline queues, hand-over to the thread just woken, stealing when idle.
//!
//! 1. Who wants to run waits in a processor's queue (`placement`) by the virtual deadline of its account (`account`, `queue`).
//! 2. A thread that blocks lends its account to the one that it has just woken: a call between processes is one piece of work.
//!    When the lender wakes, or its slice or budget ends, the borrower goes on with its own (`payment`).
//! 3. Beside other processors (`crate::shared`) a processor looks at its own part only: `processor`, `shared`.
pub mod account;
mod payment;
mod placement;
mod processor;
mod queue;
pub(crate) mod shared;

use crate::execution::thread::{State, Thread};
use crate::execution::timer::TimerQueue;
use crate::heap::OutOfHeap;
use crate::lifecycle::chore::CHORE_INTERVAL_NANOSECONDS;
use crate::platform::{ContextIndex, Platform};
use crate::slab::Id;
use crate::{Kernel, MAX_PROCESSORS};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::AtomicBool;
use kernel_lend::Slot;
pub(crate) use processor::Processor;
pub use queue::RunQueue;
use shared::Mailbox;

/// What a processor does when it leaves the kernel.
#[must_use = "the processor must do what was decided"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Runs the thread of this context.
    Run(ContextIndex),
    /// Waits for an interrupt.
    Idle,
}

/// All processors' run queues.
pub struct Scheduler {
    processors: Box<[Slot<Processor>; MAX_PROCESSORS]>,
    /// Who was woken beside other processors and belongs to a processor that does not know yet.
    mailboxes: Box<[Slot<Mailbox>; MAX_PROCESSORS]>,
    /// Whether there may be such threads, or some that are not handed over to yet.
    has_strays: AtomicBool,
    /// Woken in this stay in the kernel; runs next here if the current thread blocks.
    hand_over: Option<Id<Thread>>,
    /// Ready threads without budget, and when they get a new one.
    exhausted: TimerQueue,
    /// The processor whose timer serves the deadlines of threads: the others sleep on, or run on.
    timekeeper: usize,
}

impl Scheduler {
    /// Empty queues; `None` if the heap is too small.
    pub fn new() -> Option<Self> {
        Some(Self {
            processors: one_each(Processor::idle)?,
            mailboxes: one_each(Mailbox::new)?,
            has_strays: AtomicBool::new(false),
            hand_over: None,
            exhausted: TimerQueue::new(),
            timekeeper: 0,
        })
    }

    /// Makes room for threads with an index below `threads` on so many processors.
    pub fn prepare(&mut self, threads: usize, processors: usize) -> Result<(), OutOfHeap> {
        self.processors.iter_mut().take(processors).try_for_each(|state| state.queue.prepare(threads))?;
        self.mailboxes.iter_mut().take(processors).try_for_each(|mailbox| mailbox.prepare(threads))?;
        self.exhausted.prepare(threads)
    }

    /// Whether threads may have been woken beside other processors that nobody has run yet.
    #[inline]
    pub(crate) fn has_strays(&mut self) -> bool {
        *self.has_strays.get_mut()
    }

    /// A thread that was woken for this processor and not run yet.
    fn take_stray(&mut self, processor: usize) -> Option<Id<Thread>> {
        let woken = self.of(processor).woken.take();
        woken.or_else(|| self.mailboxes[processor % MAX_PROCESSORS].take())
    }

    /// The current thread of this processor runs no further.
    #[inline]
    pub(crate) fn leave(&mut self, processor: usize) {
        self.of(processor).current = None;
    }

    /// Whether this processor's timer has to serve the deadlines of threads, of which this is the earliest: not if another one's
    /// fires by then.
    #[inline]
    fn keeps_time(&mut self, processor: usize, earliest: u64) -> bool {
        if self.of(self.timekeeper).armed > earliest {
            self.timekeeper = processor;
        }
        self.timekeeper == processor
    }

    #[inline]
    fn of(&mut self, processor: usize) -> &mut Processor {
        &mut self.processors[processor % MAX_PROCESSORS]
    }
}

/// A value for each processor, in slots of their own; `None` if the heap is too small.
fn one_each<T>(new: impl Fn() -> T) -> Option<Box<[Slot<T>; MAX_PROCESSORS]>> {
    let mut slots = Vec::new();
    slots.try_reserve_exact(MAX_PROCESSORS).ok()?;
    slots.resize_with(MAX_PROCESSORS, || Slot::new(new()));
    slots.into_boxed_slice().try_into().ok()
}

impl<P: Platform> Kernel<P> {
    /// The thread that runs on this processor.
    #[inline]
    pub(crate) fn current(&self, processor: usize) -> Option<Id<Thread>> {
        self.scheduler.processors[processor % MAX_PROCESSORS].current
    }

    /// A blocked or new thread can run. It runs next on this processor if the current thread blocks now.
    pub(crate) fn wake(&mut self, thread: Id<Thread>) {
        self.threads[thread].state = State::Ready;
        self.hand_over(thread);
    }

    /// Whoever was woken beside other processors and not run yet: this processor, which is alone now, knows everybody.
    #[cold]
    pub(crate) fn collect_strays(&mut self, here: usize) {
        *self.scheduler.has_strays.get_mut() = false;
        for processor in 0..self.platform.processors() {
            let own = processor == here;
            while let Some(thread) = self.scheduler.take_stray(processor) {
                if own { self.hand_over(thread) } else { self.enqueue(thread, None) }
            }
        }
    }

    /// A thread that was just made ready runs next on this processor if the current thread blocks now.
    #[inline]
    pub(crate) fn hand_over(&mut self, thread: Id<Thread>) {
        if let Some(earlier) = self.scheduler.hand_over.replace(thread) {
            self.enqueue(earlier, None);
        }
    }

    /// The decision at the end of every stay in the kernel: whether the current thread goes on or another one.
    #[inline(never)]
    pub(crate) fn settle(&mut self, processor: usize) -> Next {
        self.decide(processor)
    }

    /// As [`Self::settle`], for the stays that come most often.
    #[inline(always)]
    pub(crate) fn decide(&mut self, processor: usize) -> Next {
        if !self.chores.is_empty() {
            self.do_chores();
        }
        let current = self.runnable(processor);
        match (current, self.scheduler.hand_over.take()) {
            (Some(_), None) => {}
            (Some(_), Some(woken)) => self.enqueue(woken, Some(processor)),
            (None, Some(woken)) => self.run_woken(processor, woken),
            (None, None) => self.pick(processor),
        }
        if self.scheduler.of(processor).must_yield {
            self.yield_current(processor);
        }
        let earliest = self.earliest_deadline(processor);
        let state = self.scheduler.of(processor);
        if let Some(alarm) = state.new_alarm(earliest) {
            self.platform.set_timer(processor, alarm);
        }
        state.next()
    }

    /// A thread that was just woken runs instead of the one that has blocked.
    #[inline]
    fn run_woken(&mut self, processor: usize, woken: Id<Thread>) {
        if !self.scheduler.of(processor).take_over(processor, woken, &mut self.threads[woken]) {
            self.run_by_itself(processor, woken);
        }
    }

    /// A thread that was just woken runs with its own account if nobody waits, else it gets in line.
    #[inline(never)]
    fn run_by_itself(&mut self, processor: usize, woken: Id<Thread>) {
        if self.threads[woken].account.fits(processor) && self.scheduler.of(processor).queue.len() == 0 {
            self.arrive(processor, woken);
            self.run_on_own_account(processor, woken, self.platform.now());
        } else {
            self.enqueue(woken, None);
            self.pick(processor);
        }
    }

    /// The first in line runs, or one from another processor's line.
    #[inline(never)]
    fn pick(&mut self, processor: usize) {
        let now = self.platform.now();
        self.stop_paying(processor, now);
        let first = self.scheduler.of(processor).queue.pop().and_then(|thread| self.threads.id_at(thread));
        match first.or_else(|| self.steal(processor)) {
            Some(next) => self.run_on_own_account(processor, next, now),
            None => self.scheduler.of(processor).rest(),
        }
    }

    /// A thread runs that pays for itself from now on.
    #[inline]
    fn run_on_own_account(&mut self, processor: usize, id: Id<Thread>, now: u64) {
        let (state, thread) = (self.scheduler.of(processor), &mut self.threads[id]);
        state.switch(processor, id, thread);
        state.start_paying(id, &mut thread.account, now);
    }

    /// The slice of the processor's payer may be over: somebody else runs, if they have had less.
    pub(crate) fn rotate(&mut self, processor: usize, now: u64) {
        let state = self.scheduler.of(processor);
        let (Some(current), payer) = (state.current, state.payer) else { return };
        if now < state.slice_end {
            return;
        }
        self.stop_paying(processor, now);
        let account = &mut self.threads[current].account;
        if payer != Some(current) {
            let virtual_now = self.scheduler.of(processor).queue.virtual_now();
            account.arrive(virtual_now);
        }
        let (exhausted, deadline) = (account.exhausted_until(now).is_some(), account.deadline());
        let others = self.scheduler.of(processor).queue.first().is_some_and(|(first, _)| first <= deadline);
        if exhausted || others {
            // Nobody else pays until it has left.
            let state = self.scheduler.of(processor);
            (state.must_yield, state.payer, state.since) = (true, Some(current), now);
        } else {
            self.start_paying(processor, current, now);
        }
    }

    /// A thread that runs lets those run that wait for its processor.
    #[cold]
    pub(crate) fn give_way(&mut self, thread: Id<Thread>) {
        let State::Running(processor) = self.threads[thread].state else { return };
        let state = self.scheduler.of(processor);
        if state.queue.len() > 0 {
            state.must_yield = true;
            let now = state.queue.virtual_now();
            let account = &mut self.threads[thread].account;
            account.arrive(now);
            account.give_way(now);
        }
    }

    /// Puts the current thread in line and lets the first one run.
    #[inline(never)]
    fn yield_current(&mut self, processor: usize) {
        let state = self.scheduler.of(processor);
        state.must_yield = false;
        let Some(current) = state.current.take() else { return };
        let has_paid = state.payer == Some(current);
        self.stop_paying(processor, self.platform.now());
        self.threads[current].state = State::Ready;
        match has_paid {
            true => self.requeue(current, processor),
            false => self.enqueue(current, Some(processor)),
        }
        self.pick(processor);
    }

    /// Threads whose budget is new get in line again.
    pub(crate) fn refill(&mut self, now: u64) {
        while !self.stay.is_over()
            && let Some(index) = self.scheduler.exhausted.pop_expired(now)
        {
            if let Some(thread) = self.threads.id_at(index).filter(|&id| self.threads[id].state == State::Ready) {
                self.enqueue(thread, None);
            }
        }
    }

    /// The earliest deadline that this processor's timer serves, its own slice aside.
    #[inline]
    fn earliest_deadline(&mut self, processor: usize) -> u64 {
        let of_all = self.timers.earliest().min(self.scheduler.exhausted.earliest());
        let earliest = if self.scheduler.keeps_time(processor, of_all) { of_all } else { u64::MAX };
        if self.chores.is_empty() { earliest } else { earliest.min(self.next_chore(processor)) }
    }

    /// When this processor looks after what has ended.
    #[cold]
    fn next_chore(&self, processor: usize) -> u64 {
        let interval = if self.current(processor).is_some() { CHORE_INTERVAL_NANOSECONDS } else { 0 };
        self.platform.now() + interval
    }

    /// This processor's timer has fired and is not armed any more.
    pub(crate) fn timer_fired(&mut self, processor: usize) {
        self.scheduler.of(processor).armed = u64::MAX;
    }
}
