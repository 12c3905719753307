//! In which processor's line a thread waits: an idle one's if there is any, else where it ran last. A processor that is idle takes one
//! out of the longest line.
use super::Processor;
use crate::execution::thread::{State, Thread};
use crate::platform::Platform;
use crate::slab::Id;
use crate::{Kernel, MAX_PROCESSORS};

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

    /// Puts a ready thread in line, on an idle processor if there is one.
    #[inline(never)]
    pub(super) fn enqueue(&mut self, thread: Id<Thread>, here: Option<usize>) {
        self.take_account_back(thread);
        let entry = &mut self.threads[thread];
        if entry.account.has_budget()
            && let Some(later) = entry.account.exhausted_until(self.platform.now())
        {
            return self.scheduler.exhausted.set(thread.index(), Some(later));
        }
        let (home, mask) = (entry.processor, entry.account.numbers.processors);
        let allowed = |p: usize| mask >> (p % MAX_PROCESSORS) & 1 == 1;
        let is_idle = |k: &Self, p: usize| k.current(p).is_none() && Some(p) != here && allowed(p);
        let idle = core::iter::once(home).chain(0..self.platform.processors()).find(|&p| is_idle(self, p));
        let target = match idle {
            Some(idle) => idle,
            None if allowed(home) => home,
            None => self.quietest_of(mask),
        };
        let is_urgent = self.push(target, thread);
        let state = self.scheduler.of(target);
        state.must_yield |= is_urgent;
        if Some(target) != here && (idle.is_some() || is_urgent || state.queue.len() == 1) {
            self.platform.interrupt_processor(target);
        }
    }

    /// Puts a thread into a processor's line; whether it should run at once instead of the one that runs there.
    fn push(&mut self, processor: usize, thread: Id<Thread>) -> bool {
        self.arrive(processor, thread);
        let (state, account) = (self.scheduler.of(processor), &self.threads[thread].account);
        state.queue.push(thread.index(), account.deadline());
        let payer = state.payer.filter(|_| state.current.is_some()).and_then(|payer| self.threads.get(payer));
        payer.is_some_and(|payer| account.preempts(&payer.account))
    }

    /// A thread that was away, here or elsewhere, finds its place in a processor's virtual time.
    pub(super) fn arrive(&mut self, processor: usize, thread: Id<Thread>) {
        let entry = &mut self.threads[thread];
        let from = core::mem::replace(&mut entry.processor, processor);
        let old = self.scheduler.of(from).queue.virtual_now();
        let new = self.scheduler.of(processor).queue.virtual_now();
        if from != processor {
            entry.account.migrate(old, new);
        }
        entry.account.arrive(new);
    }

    /// Takes a thread out of the longest line, the first one that may run here.
    pub(super) fn steal(&mut self, processor: usize) -> Option<Id<Thread>> {
        let others = (0..self.platform.processors()).filter(|&p| p != processor);
        let busiest = others.max_by_key(|&p| self.scheduler.of(p).queue.len())?;
        let threads = &self.threads;
        let state = &mut self.scheduler.processors[busiest % MAX_PROCESSORS];
        let allows = |id: Id<Thread>| threads[id].account.numbers.allows(processor);
        let stolen = state.queue.pop_where(|thread| threads.id_at(thread).is_some_and(allows))?;
        let stolen = threads.id_at(stolen)?;
        let (old, new) = (state.queue.virtual_now(), self.scheduler.of(processor).queue.virtual_now());
        self.threads[stolen].account.migrate(old, new);
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
