//! In which processor's line a thread waits: an idle one's if there is any, else where it ran last. A processor that is idle takes one
//! out of the longest line.
use super::account::Account;
use super::{Processor, Scheduler};
use crate::execution::thread::{State, Thread};
use crate::platform::Platform;
use crate::slab::Id;
use crate::{Kernel, MAX_PROCESSORS};

/// Threads that an idle processor looks at, at most, for one that it may run.
const STEALER_LOOKS: usize = 64;

impl<P: Platform> Kernel<P> {
    /// Where a new thread should run.
    pub(crate) fn quietest_processor(&mut self) -> usize {
        self.scheduler.quietest_of(u64::MAX, self.platform.processors())
    }

    /// Puts a thread in line that was away: it finds its place in the virtual time of the processor that it goes to.
    #[inline(never)]
    pub(super) fn enqueue(&mut self, thread: Id<Thread>, here: Option<usize>) {
        self.take_account_back(thread);
        self.line_up(thread, here, Account::arrive);
    }

    /// Puts a thread in line again that has run here until now, on its own account: it keeps its place in virtual time.
    pub(super) fn requeue(&mut self, thread: Id<Thread>, here: usize) {
        self.line_up(thread, Some(here), |_, _| {});
    }

    /// Puts a thread in the line of some processor, or lets it wait for its next budget.
    #[inline]
    fn line_up(&mut self, id: Id<Thread>, here: Option<usize>, find_place: impl Fn(&mut Account, u64)) {
        let thread = &mut self.threads[id];
        if thread.account.has_budget()
            && let Some(later) = thread.account.exhausted_until(self.platform.now())
        {
            return self.scheduler.exhausted.set(id.index(), Some(later));
        }
        let (target, is_idle) = self.scheduler.line_for(thread, here, self.platform.processors());
        self.scheduler.migrate(target, thread);
        let state = self.scheduler.of(target);
        find_place(&mut thread.account, state.queue.virtual_now());
        state.queue.push(id.index(), thread.account.deadline());
        self.call_attention(id, target, is_idle, here);
    }

    /// Lets a processor look at its line, which this thread has joined, if it has to.
    #[inline(always)]
    fn call_attention(&mut self, thread: Id<Thread>, target: usize, is_idle: bool, here: Option<usize>) {
        let (state, account) = (self.scheduler.of(target), &self.threads[thread].account);
        let payer = state.payer.filter(|_| state.current.is_some()).and_then(|payer| self.threads.get(payer));
        let is_urgent = payer.is_some_and(|payer| account.preempts(&payer.account));
        state.must_yield |= is_urgent;
        if Some(target) != here && (is_idle || is_urgent || state.queue.len() == 1) {
            self.platform.interrupt_processor(target);
        }
    }

    /// A thread that was away, here or elsewhere, finds its place in a processor's virtual time.
    pub(super) fn arrive(&mut self, processor: usize, thread: Id<Thread>) {
        let thread = &mut self.threads[thread];
        self.scheduler.migrate(processor, thread);
        thread.account.arrive(self.scheduler.of(processor).queue.virtual_now());
    }

    /// Takes a thread that may run here out of another line, the longest that has one.
    #[inline(never)]
    pub(super) fn steal(&mut self, processor: usize) -> Option<Id<Thread>> {
        let mut lines: u64 = (0..self.platform.processors()).filter(|&p| p != processor).map(|p| 1 << p).sum();
        let mut looks = STEALER_LOOKS;
        while let Some((len, longest)) = self.longest_line(lines).filter(|_| looks > 0) {
            let stolen = self.steal_from(longest, processor, looks);
            if stolen.is_some() {
                return stolen;
            }
            lines &= !(1 << longest);
            looks = looks.saturating_sub(len);
        }
        None
    }

    /// The longest of these lines, if somebody waits there.
    fn longest_line(&mut self, lines: u64) -> Option<(usize, usize)> {
        let lines = (0..self.platform.processors()).filter(|p| lines >> p & 1 == 1);
        lines.map(|p| (self.scheduler.of(p).queue.len(), p)).filter(|(len, _)| *len > 0).max()
    }

    /// Takes a thread that may run here out of this line, if there is one among so many of those that come first.
    fn steal_from(&mut self, line: usize, processor: usize, looks: usize) -> Option<Id<Thread>> {
        let threads = &self.threads;
        let may_run = |id: Id<Thread>| threads[id].account.numbers.allows(processor);
        let queue = &mut self.scheduler.processors[line % MAX_PROCESSORS].queue;
        let stolen = queue.pop_where(looks, |thread| threads.id_at(thread).is_some_and(may_run))?;
        let stolen = threads.id_at(stolen)?;
        self.scheduler.migrate(processor, &mut self.threads[stolen]);
        Some(stolen)
    }

    /// Forgets a thread that will not run any more, or not now.
    pub(crate) fn forget(&mut self, thread: Id<Thread>) {
        if self.scheduler.hand_over == Some(thread) {
            self.scheduler.hand_over = None;
            return;
        }
        let processor = self.threads[thread].processor;
        if !self.scheduler.of(processor).queue.remove(thread.index()) {
            self.scheduler.exhausted.set(thread.index(), None);
        }
    }

    /// The numbers of a thread's account have changed: it goes where they allow.
    pub(crate) fn reconsider(&mut self, thread: Id<Thread>) {
        match self.threads[thread].state {
            State::Ready if self.scheduler.hand_over != Some(thread) => {
                self.forget(thread);
                self.enqueue(thread, None);
            }
            State::Running(processor) => {
                self.scheduler.of(processor).must_yield = true;
                self.platform.interrupt_processor(processor);
            }
            _ => self.take_account_back(thread),
        }
    }
}

impl Scheduler {
    /// The allowed one of so many processors that has the fewest threads.
    fn quietest_of(&mut self, mask: u64, processors: usize) -> usize {
        let load = |s: &Processor| s.queue.len() + usize::from(s.current.is_some());
        let allowed = (0..processors).filter(|&p| mask >> (p % MAX_PROCESSORS) & 1 == 1);
        allowed.min_by_key(|&p| load(self.of(p))).unwrap_or(0)
    }

    /// Which of so many processors a thread will run on, and whether nothing runs there.
    #[inline]
    fn line_for(&mut self, thread: &Thread, here: Option<usize>, processors: usize) -> (usize, bool) {
        let (home, numbers) = (thread.processor, &thread.account.numbers);
        let mut candidates = core::iter::once(home).chain(0..processors);
        match candidates.find(|&p| Some(p) != here && numbers.allows(p) && self.of(p).is_idle()) {
            Some(idle) => (idle, true),
            None if numbers.allows(home) => (home, false),
            None => (self.quietest_of(numbers.processors, processors), false),
        }
    }

    /// A thread belongs to this processor from now on: as far behind the others or ahead of them as it was where it comes from.
    #[inline]
    fn migrate(&mut self, processor: usize, thread: &mut Thread) {
        let from = core::mem::replace(&mut thread.processor, processor);
        if from != processor {
            let (old, new) = (self.of(from).queue.virtual_now(), self.of(processor).queue.virtual_now());
            thread.account.migrate(old, new);
        }
    }
}
