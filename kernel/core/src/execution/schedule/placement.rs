//! In which processor's line a thread waits: an idle one's if there is any, else where it ran last. A processor that is idle takes one
//! out of the longest line.
use super::Processor;
use crate::execution::thread::{State, Thread};
use crate::platform::Platform;
use crate::slab::Id;
use crate::{Kernel, MAX_PROCESSORS};

/// Threads that an idle processor looks at, at most, for one that it may run.
const STEALER_LOOKS: usize = 64;

impl<P: Platform> Kernel<P> {
    /// Where a new thread should run.
    pub(crate) fn quietest_processor(&mut self) -> usize {
        self.quietest_of(u64::MAX)
    }

    /// The allowed processor with the fewest threads.
    fn quietest_of(&mut self, mask: u64) -> usize {
        let load = |s: &Processor| s.queue.len() + usize::from(s.current.is_some());
        let allowed = (0..self.platform.processors()).filter(|&p| mask >> (p % MAX_PROCESSORS) & 1 == 1);
        allowed.min_by_key(|&p| load(self.scheduler.of(p))).unwrap_or(0)
    }

    /// Puts a thread in line that was away: it finds its place in the virtual time of the processor that it goes to.
    #[inline(never)]
    pub(super) fn enqueue(&mut self, thread: Id<Thread>, here: Option<usize>) {
        self.take_account_back(thread);
        if !self.waits_for_budget(thread) {
            let (target, is_idle) = self.line_for(thread, here);
            self.arrive(target, thread);
            self.join_line(thread, target, is_idle, here);
        }
    }

    /// Puts a thread in line again that has run here until now, on its own account: it keeps its place in virtual time.
    pub(super) fn requeue(&mut self, thread: Id<Thread>, here: usize) {
        if !self.waits_for_budget(thread) {
            let (target, is_idle) = self.line_for(thread, Some(here));
            self.migrate(target, thread);
            self.join_line(thread, target, is_idle, Some(here));
        }
    }

    /// Whether a thread has used its budget up: then it waits for the next one.
    fn waits_for_budget(&mut self, thread: Id<Thread>) -> bool {
        let account = &mut self.threads[thread].account;
        if account.has_budget()
            && let Some(later) = account.exhausted_until(self.platform.now())
        {
            self.scheduler.exhausted.set(thread.index(), Some(later));
            return true;
        }
        false
    }

    /// The processor on which a thread will run, and whether nothing runs there.
    fn line_for(&mut self, thread: Id<Thread>, here: Option<usize>) -> (usize, bool) {
        let entry = &self.threads[thread];
        let (home, numbers) = (entry.processor, entry.account.numbers);
        let is_idle = |p: usize| self.is_idle(p) && Some(p) != here && numbers.allows(p);
        let idle = core::iter::once(home).chain(0..self.platform.processors()).find(|&p| is_idle(p));
        match idle {
            Some(idle) => (idle, true),
            None if numbers.allows(home) => (home, false),
            None => (self.quietest_of(numbers.processors), false),
        }
    }

    /// Whether a processor has nothing to run, nor will as soon as it looks.
    fn is_idle(&self, processor: usize) -> bool {
        let state = &self.scheduler.processors[processor % MAX_PROCESSORS];
        state.current.is_none() && state.queue.len() == 0
    }

    /// Puts a thread into a processor's line, and lets that processor look if it has to.
    fn join_line(&mut self, thread: Id<Thread>, target: usize, is_idle: bool, here: Option<usize>) {
        let (state, account) = (self.scheduler.of(target), &self.threads[thread].account);
        state.queue.push(thread.index(), account.deadline());
        let payer = state.payer.filter(|_| state.current.is_some()).and_then(|payer| self.threads.get(payer));
        let is_urgent = payer.is_some_and(|payer| account.preempts(&payer.account));
        state.must_yield |= is_urgent;
        if Some(target) != here && (is_idle || is_urgent || state.queue.len() == 1) {
            self.platform.interrupt_processor(target);
        }
    }

    /// A thread that was away, here or elsewhere, finds its place in a processor's virtual time.
    pub(super) fn arrive(&mut self, processor: usize, thread: Id<Thread>) {
        self.migrate(processor, thread);
        let now = self.scheduler.of(processor).queue.virtual_now();
        self.threads[thread].account.arrive(now);
    }

    /// A thread belongs to this processor from now on: as far behind the others or ahead of them as it was where it comes from.
    fn migrate(&mut self, processor: usize, thread: Id<Thread>) {
        let from = core::mem::replace(&mut self.threads[thread].processor, processor);
        if from != processor {
            let (old, new) =
                (self.scheduler.of(from).queue.virtual_now(), self.scheduler.of(processor).queue.virtual_now());
            self.threads[thread].account.migrate(old, new);
        }
    }

    /// Takes a thread that may run here out of another line, the longest that has one.
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
        self.migrate(processor, stolen);
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
