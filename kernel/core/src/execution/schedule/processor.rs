//! One processor's share of the scheduler: what runs there, who pays for it, who waits, and when its timer fires.
use super::account::Account;
use super::{Next, RunQueue};
use crate::execution::thread::{State, Thread};
use crate::slab::Id;

/// One processor's share of the scheduler.
pub(crate) struct Processor {
    pub(super) current: Option<Id<Thread>>,
    /// Woken here beside other processors, and not handed over to yet.
    pub(super) woken: Option<Id<Thread>>,
    /// Whose account pays for `current`, and since when.
    pub(super) payer: Option<Id<Thread>>,
    pub(super) since: u64,
    /// When the payer's slice or budget ends.
    pub(super) slice_end: u64,
    /// Whether the payer has a budget: then that end counts even if nobody waits.
    pub(super) limited: bool,
    /// Somebody more urgent than `current` waits here, or it must not run here any more.
    pub(super) must_yield: bool,
    pub(super) queue: RunQueue,
    pub(super) armed: u64,
}

impl Processor {
    pub(super) const fn idle() -> Self {
        Self {
            current: None,
            woken: None,
            payer: None,
            since: 0,
            slice_end: 0,
            limited: false,
            must_yield: false,
            queue: RunQueue::new(),
            armed: u64::MAX,
        }
    }

    /// Whether it has nothing to run, nor will as soon as it looks.
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.current.is_none() && self.queue.len() == 0
    }

    /// This thread runs here from now on.
    #[inline]
    pub(super) fn switch(&mut self, number: usize, id: Id<Thread>, thread: &mut Thread) {
        thread.state = State::Running(number);
        thread.processor = number;
        self.current = Some(id);
    }

    /// A thread that was just woken goes on with the account of the one that has blocked, so that two threads which hand over to
    /// each other keep nobody else from running; false if it cannot.
    #[inline(always)]
    pub(super) fn take_over(&mut self, number: usize, woken: Id<Thread>, thread: &mut Thread) -> bool {
        let is_lent = thread.account.fits(number) && self.payer.is_some() || self.payer == Some(woken);
        if is_lent {
            self.switch(number, woken, thread);
        }
        is_lent
    }

    /// From now on this thread's account pays for what the processor runs.
    #[inline]
    pub(super) fn start_paying(&mut self, id: Id<Thread>, account: &mut Account, now: u64) {
        // A thread without budget is not in line: this only begins its period.
        account.exhausted_until(now);
        self.queue.advance(account.place());
        self.payer = Some(id);
        self.since = now;
        self.slice_end = now.saturating_add(account.allowance());
        self.limited = account.has_budget();
    }

    /// Nobody pays any more; who has paid so far.
    pub(super) fn stop_paying(&mut self) -> Option<Id<Thread>> {
        self.limited = false;
        self.payer.take()
    }

    /// Nothing runs here.
    pub(super) fn rest(&mut self) {
        self.current = None;
        self.must_yield = false;
    }

    /// What it does as things stand.
    #[inline]
    pub(super) fn next(&self) -> Next {
        self.current.map_or(Next::Idle, |thread| Next::Run(thread.index()))
    }

    /// When the timer has to fire, given the earliest deadline of all others, if that is earlier than it will. One that fires for
    /// nothing now and then costs less than one that is armed anew whenever somebody waits or does not wait any more.
    #[inline(always)]
    pub(super) fn new_alarm(&mut self, earliest: u64) -> Option<u64> {
        let has_end = self.limited || self.queue.len() > 0;
        let alarm = if has_end { earliest.min(self.slice_end) } else { earliest };
        if self.armed <= alarm {
            return None;
        }
        self.armed = alarm;
        Some(alarm)
    }
}
