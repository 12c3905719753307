//! Whose account pays for what a processor runs. The clock is read when an account changes hands, not in between.
use crate::Kernel;
use crate::execution::thread::Thread;
use crate::platform::Platform;
use crate::slab::Id;

impl<P: Platform> Kernel<P> {
    /// From now on this thread's account pays for what the processor runs.
    #[inline]
    pub(super) fn start_paying(&mut self, processor: usize, thread: Id<Thread>, now: u64) {
        self.scheduler.of(processor).start_paying(thread, &mut self.threads[thread].account, now);
    }

    /// Charges the account that has paid so far.
    #[inline]
    pub(super) fn stop_paying(&mut self, processor: usize, now: u64) {
        let state = self.scheduler.of(processor);
        if let (Some(payer), since) = (state.stop_paying(), state.since)
            && let Some(thread) = self.threads.get_mut(payer)
        {
            thread.account.run(now.saturating_sub(since));
        }
    }

    /// Charges an account for what has run on it up to now, and still runs.
    pub(crate) fn settle_account(&mut self, thread: Id<Thread>) {
        let now = self.platform.now();
        for processor in 0..self.platform.processors() {
            let state = self.scheduler.of(processor);
            if state.payer == Some(thread)
                && let Some(entry) = self.threads.get_mut(thread)
            {
                entry.account.run(now.saturating_sub(core::mem::replace(&mut state.since, now)));
            }
        }
    }

    /// A thread gets in line, or ends, that may have lent its account: the borrower goes on with its own, and nobody borrows it any
    /// more where the thread has run until now.
    #[inline]
    pub(crate) fn take_account_back(&mut self, thread: Id<Thread>) {
        for processor in 0..self.platform.processors() {
            let state = self.scheduler.of(processor);
            if state.payer == Some(thread) && state.current != Some(thread) {
                self.let_others_pay(processor);
            }
        }
    }

    /// Who runs on a processor, if anybody does, goes on with its own account.
    #[cold]
    fn let_others_pay(&mut self, processor: usize) {
        let now = self.platform.now();
        self.stop_paying(processor, now);
        let state = self.scheduler.of(processor);
        if let Some(borrower) = state.current {
            let virtual_now = state.queue.virtual_now();
            self.threads[borrower].account.arrive(virtual_now);
            self.start_paying(processor, borrower, now);
        }
    }
}
