//! The scheduler beside other processors: hand-over and blocking on one's own processor, and mail to the others.
//!
//! A processor has its own part for itself. It never moves a thread from another processor to itself: that one may not have put
//! the thread's registers away yet. Whoever wakes a thread that must run elsewhere posts it there and interrupts.
use super::{Processor, Scheduler};
use crate::execution::thread::Thread;
use crate::heap::OutOfHeap;
use crate::shared::SharedKernel;
use crate::slab::Id;
use crate::{Next, Platform};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};
use kernel_lend::{Lent, Taken};

/// Threads that were woken for a processor from elsewhere.
pub struct Mailbox {
    threads: Vec<Id<Thread>>,
}

impl Mailbox {
    /// An empty one.
    pub const fn new() -> Self {
        Self { threads: Vec::new() }
    }

    /// Makes room for so many.
    pub fn prepare(&mut self, count: usize) -> Result<(), OutOfHeap> {
        let more = count.saturating_sub(self.threads.len());
        self.threads.try_reserve(more).map_err(|_| OutOfHeap::of::<Id<Thread>>(more))
    }

    /// Takes one out.
    pub fn take(&mut self) -> Option<Id<Thread>> {
        self.threads.pop()
    }
}

/// The scheduler, lent to several processors.
pub struct LentScheduler<'a> {
    processors: &'a [Lent<Processor>],
    mailboxes: &'a [Lent<Mailbox>],
    has_strays: &'a AtomicBool,
    /// The earliest deadline of any thread, and the processor whose timer serves it.
    earliest: u64,
    timekeeper: usize,
    /// Whether somebody waits in a queue whom an idle processor may steal.
    can_steal: bool,
}

impl Scheduler {
    /// Lends the parts of so many processors; the earliest deadline is `earliest`.
    pub fn lend(&mut self, processors: usize, earliest: u64) -> LentScheduler<'_> {
        let own = self.processors.get_mut(..processors).unwrap_or_default();
        let can_steal = own.iter().any(|processor| processor.queue.len() > 0);
        LentScheduler {
            processors: Lent::lend(own),
            mailboxes: Lent::lend(self.mailboxes.as_mut_slice()),
            has_strays: &self.has_strays,
            earliest: earliest.min(self.exhausted.earliest()),
            timekeeper: self.timekeeper,
            can_steal,
        }
    }
}

/// Where a thread goes that is woken.
pub enum Destination<'a> {
    /// It runs next on this processor, if the current thread blocks.
    Here,
    /// It goes to this processor, where it belongs.
    Elsewhere(usize, Taken<'a, Mailbox>),
}

impl Processor {
    /// The thread that runs here.
    pub fn current(&self) -> Option<Id<Thread>> {
        self.current
    }

    /// Whether a thread was woken that runs next if the current one blocks.
    pub fn has_woken(&self) -> bool {
        self.woken.is_some()
    }

    /// Whether somebody more urgent waits here.
    pub fn must_yield(&self) -> bool {
        self.must_yield
    }

    /// The current thread has blocked.
    pub fn block(&mut self) {
        self.current = None;
    }
}

impl<'a, P: Platform> SharedKernel<'a, P> {
    /// The part of the processor with this number, which is inside the kernel: nobody else takes it.
    pub(crate) fn own(&self, number: usize) -> Option<Taken<'a, Processor>> {
        self.scheduler.processors.get(number)?.take()
    }

    /// This processor cannot go on beside others: whoever is alone looks after the thread that it has woken.
    pub(crate) fn leave_to_one(&self, here: &Processor) {
        if here.has_woken() {
            self.scheduler.has_strays.store(true, Ordering::Release);
        }
    }

    /// Where `thread` can go if it is woken now.
    #[inline]
    pub(crate) fn destination(&self, number: usize, here: &Processor, thread: &Thread) -> Option<Destination<'a>> {
        let home = thread.processor;
        if home == number {
            return (!here.has_woken()).then_some(Destination::Here);
        }
        if thread.account.numbers.allows(number) || thread.account.has_budget() {
            return None;
        }
        Some(Destination::Elsewhere(home, self.scheduler.mailboxes.get(home)?.take()?))
    }

    /// Sends a thread that is ready now where it goes.
    #[inline]
    pub(crate) fn dispatch(&self, here: &mut Processor, thread: Id<Thread>, destination: Destination<'_>) {
        match destination {
            Destination::Here => here.woken = Some(thread),
            Destination::Elsewhere(home, mailbox) => self.post_to(home, mailbox, thread),
        }
    }

    #[inline(never)]
    fn post_to(&self, home: usize, mut mailbox: Taken<'_, Mailbox>, thread: Id<Thread>) {
        mailbox.threads.push(thread);
        drop(mailbox);
        self.scheduler.has_strays.store(true, Ordering::Release);
        self.platform.interrupt_processor(home);
    }

    /// The decision at the end of a stay, if this processor can take it from what is its own.
    pub(crate) fn settle(&self, number: usize, here: &mut Processor) -> Option<Next> {
        match (here.current, here.woken) {
            (Some(_), _) if here.must_yield || here.has_woken() => return None,
            (Some(_), _) => {}
            (None, Some(woken)) => self.run_woken(number, here, woken)?,
            (None, None) => self.pick(number, here)?,
        }
        let earliest = if self.scheduler.timekeeper == number { self.scheduler.earliest } else { u64::MAX };
        if let Some(alarm) = here.new_alarm(earliest) {
            self.platform.set_timer(number, alarm);
        }
        Some(here.next())
    }

    /// The thread that was just woken runs instead of the one that has blocked.
    fn run_woken(&self, number: usize, here: &mut Processor, woken: Id<Thread>) -> Option<()> {
        let mut thread = self.threads.take(woken)?;
        if !here.take_over(number, woken, &mut thread) {
            if !thread.account.fits(number) || here.queue.len() > 0 {
                return None;
            }
            thread.account.arrive(here.queue.virtual_now());
            here.switch(number, woken, &mut thread);
            here.start_paying(woken, &mut thread.account, self.platform.now());
        }
        here.woken = None;
        Some(())
    }

    /// The first in line runs, or nobody.
    #[inline(never)]
    fn pick(&self, number: usize, here: &mut Processor) -> Option<()> {
        self.open_mail(number, here)?;
        let mut next = match here.queue.first() {
            Some((_, index)) => Some(self.threads.take_at(index)?),
            None if self.scheduler.can_steal => return None,
            None => None,
        };
        let now = self.platform.now();
        if let Some(payer) = here.payer {
            let mut payer = self.threads.take(payer)?;
            payer.account.run(now.saturating_sub(here.since));
            here.stop_paying();
        }
        match &mut next {
            Some((id, thread)) => {
                here.queue.pop();
                here.switch(number, *id, thread);
                here.start_paying(*id, &mut thread.account, now);
            }
            None => here.rest(),
        }
        Some(())
    }

    /// Threads that were woken for this processor, on which nothing runs, get in line.
    fn open_mail(&self, number: usize, here: &mut Processor) -> Option<()> {
        let mut mailbox = self.scheduler.mailboxes.get(number)?.take()?;
        while let Some(&id) = mailbox.threads.last() {
            let mut thread = self.threads.take(id)?;
            if !thread.account.fits(number) || here.payer == Some(id) {
                return None;
            }
            thread.account.arrive(here.queue.virtual_now());
            here.queue.push(id.index(), thread.account.deadline());
            mailbox.threads.pop();
        }
        Some(())
    }
}
