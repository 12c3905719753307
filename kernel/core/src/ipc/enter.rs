//! `cap_enter` and `exit`: runs the submissions of the calling thread's ring, then goes on or blocks.
use crate::execution::process::Process;
use crate::execution::stay::cost;
use crate::execution::thread::{State, Thread};
use crate::ipc::operation::{Done, Refusal, Step};
use crate::ipc::record::{Record, Waiter};
use crate::ipc::ring::Ring;
use crate::platform::{Platform, RingArea};
use crate::slab::Id;
use crate::{Kernel, Next};
use capos_abi::ring::{COMPLETION_ENTRIES, Completion, Submission, flag, kind};
use capos_abi::status;

/// Whose submissions are run.
#[derive(Clone, Copy)]
pub struct Caller {
    /// The thread.
    pub thread: Id<Thread>,
    /// Its process.
    pub process: Id<Process>,
    /// Its ring area.
    pub area: RingArea,
}

/// What came of the submissions of a ring.
enum Drained {
    /// All were started that can be.
    Whole,
    /// The rest comes in the next stay.
    Partly,
    /// One of them has ended the thread.
    Ended,
}

impl<P: Platform> Kernel<P> {
    /// System call `cap_enter` of the current thread.
    #[inline(never)]
    pub fn enter(&mut self, processor: usize, min_complete: u32, deadline: u64) -> Next {
        self.begin_stay(processor);
        if let Some(thread) = self.runnable_at_door(processor) {
            match self.drain(processor, thread) {
                Drained::Ended => {}
                _ if self.ending > 0 && self.stop_at_door(processor).is_none() => {}
                Drained::Whole => self.finish(processor, thread, min_complete.min(COMPLETION_ENTRIES), deadline),
                Drained::Partly => self.platform.enter_again(thread.index()),
            }
        }
        self.decide(processor)
    }

    /// Lets the thread go on if it has what it wanted, or blocks it.
    #[inline]
    fn finish(&mut self, processor: usize, thread: Id<Thread>, wanted: u32, deadline: u64) {
        let mut entry = &mut self.threads[thread];
        if entry.has_work {
            self.pull(thread);
            entry = &mut self.threads[thread];
        }
        let unread = entry.ring.positions.unread();
        let goes_on = unread >= wanted || (deadline != 0 && deadline <= self.platform.now());
        if goes_on {
            self.platform.set_result(thread.index(), u64::from(unread));
        } else if self.stay.is_over() {
            return self.platform.enter_again(thread.index());
        } else {
            entry.state = State::Blocked(wanted);
            self.scheduler.leave(processor);
        }
        let deadline = if goes_on { 0 } else { deadline };
        if deadline != 0 || entry.timer_set || entry.ring.has_deadlines() {
            self.update_timer(thread, deadline);
        }
    }

    /// System call `exit` of the current thread.
    pub fn exit(&mut self, processor: usize, code: i32) -> Next {
        self.begin_stay(processor);
        if let Some(thread) = self.runnable_at_door(processor) {
            self.end_thread(thread, code);
        }
        self.settle(processor)
    }

    /// As [`Self::runnable`], for a thread that has just made a system call.
    #[inline]
    fn runnable_at_door(&mut self, processor: usize) -> Option<Id<Thread>> {
        if self.ending == 0 { self.current(processor) } else { self.stop_at_door(processor) }
    }

    #[cold]
    fn stop_at_door(&mut self, processor: usize) -> Option<Id<Thread>> {
        let current = self.current(processor);
        let runnable = self.runnable(processor);
        if runnable.is_none() {
            self.enter_again_if_suspended(current);
        }
        runnable
    }

    /// The current thread, unless its process is being ended or is suspended.
    #[inline]
    pub(crate) fn runnable(&mut self, processor: usize) -> Option<Id<Thread>> {
        if self.ending > 0 {
            self.stop_if_ending(processor);
        }
        self.current(processor)
    }

    /// Starts submissions in order until none is left or the next one has no place for its completion, or the stay or the
    /// thread has ended.
    #[inline]
    fn drain(&mut self, processor: usize, thread: Id<Thread>) -> Drained {
        let mut entry = &mut self.threads[thread];
        if entry.ring.has_deadlines() {
            self.expire_records(thread, self.platform.now());
            entry = &mut self.threads[thread];
        }
        let caller = Caller { thread, process: entry.process, area: entry.ring.area };
        entry.ring.positions.see_completion_head(self.platform.completion_head(caller.area));
        let tail = entry.ring.positions.see_submission_tail(self.platform.submission_tail(caller.area));
        let mut ring = &mut entry.ring;
        let drained = loop {
            let Some(submission) = ring.next_submission(&self.platform, tail) else { break Drained::Whole };
            self.stay.spend(cost::ENTRY);
            let result = self.operate(&caller, &submission);
            // The entry may have ended its own thread or process.
            if self.current(processor) != Some(thread) {
                return Drained::Ended;
            }
            ring = &mut self.threads[thread].ring;
            let concluded = conclude(ring, &self.platform, &submission, result);
            if !concluded || self.stay.is_over() {
                break Drained::Partly;
            }
        };
        ring.publish(&self.platform);
        drained
    }

    /// Takes queued calls into the free slots of the thread's pools, and notices of unreferenced origins.
    #[cold]
    fn pull(&mut self, thread: Id<Thread>) {
        let (mut has_work, mut first) = (false, 0);
        while let Some(tag) = self.next_operation(thread, first, |record| matches!(record, Record::Receive(_))) {
            if self.stay.is_over() {
                return;
            }
            let receiver = Waiter { thread, tag };
            self.stay.spend(2 * cost::PLACE);
            while !self.stay.is_over() && self.pull_one(receiver) {}
            has_work |= self.has_work(receiver);
            first = tag + 1;
        }
        self.threads[thread].has_work = has_work;
    }

    /// Posts a completion into its reserved place, and wakes the thread if it has waited for it.
    #[inline]
    pub(crate) fn complete(&mut self, thread: Id<Thread>, completion: &Completion) {
        if self.threads[thread].complete(&self.platform, thread.index(), completion) {
            self.hand_over(thread);
        }
    }

    /// Ends a blocked thread's `cap_enter`.
    fn unblock(&mut self, thread: Id<Thread>) {
        let entry = &mut self.threads[thread];
        entry.enter_deadline = 0;
        let unread = entry.ring.positions.unread();
        self.platform.set_result(thread.index(), u64::from(unread));
        self.wake(thread);
    }

    /// A deadline of this thread's ring may have passed.
    pub(crate) fn expire(&mut self, thread: Id<Thread>, now: u64) {
        self.expire_records(thread, now);
        let Some(entry) = self.threads.get(thread) else { return };
        let deadline = entry.enter_deadline;
        if matches!(entry.state, State::Blocked(_)) && deadline != 0 && deadline <= now {
            self.unblock(thread);
            self.update_timer(thread, 0);
        } else {
            self.update_timer(thread, deadline);
        }
    }

    /// Ends the operations of a ring whose deadlines have passed, as far as the stay allows.
    #[cold]
    fn expire_records(&mut self, thread: Id<Thread>, now: u64) {
        if self.threads[thread].ring.earliest_deadline().is_none_or(|earliest| earliest > now) {
            return;
        }
        let mut first = 0;
        while let Some(tag) = self.next_operation(thread, first, |record| (1..=now).contains(&record.deadline())) {
            if self.stay.is_over() {
                return;
            }
            self.abort(Waiter { thread, tag }, status::DEADLINE);
            first = tag + 1;
        }
        let ring = &mut self.threads[thread].ring;
        ring.find_earliest_deadline();
        self.stay.spend(u32::from(ring.tags().end) * cost::RECORD);
    }

    /// The first pending operation of a thread from this tag on that is meant.
    pub(crate) fn next_operation(
        &mut self,
        thread: Id<Thread>,
        first: u16,
        is_meant: impl Fn(&Record) -> bool,
    ) -> Option<u16> {
        let ring = &self.threads[thread].ring;
        let found = ring.next(first, is_meant);
        let looked_at = found.unwrap_or(ring.tags().end).saturating_sub(first);
        self.stay.spend(u32::from(looked_at) * cost::RECORD);
        found
    }

    /// Arms the thread's timer for the earliest of its pending deadlines and that of its `cap_enter` (0 = none).
    #[inline(never)]
    pub(crate) fn update_timer(&mut self, thread: Id<Thread>, enter_deadline: u64) {
        let entry = &mut self.threads[thread];
        entry.enter_deadline = enter_deadline;
        let enter = (enter_deadline != 0).then_some(enter_deadline);
        let earliest = [enter, entry.ring.earliest_deadline()].into_iter().flatten().min();
        if earliest.is_some() || entry.timer_set {
            entry.timer_set = earliest.is_some();
            self.timers.set(thread.index(), earliest);
        }
    }
}

/// Completes an entry that is over; false if it has to go on in the next stay.
#[inline]
pub(crate) fn conclude(
    ring: &mut Ring,
    platform: &impl Platform,
    entry: &Submission,
    result: Result<Step, Refusal>,
) -> bool {
    let &Submission { user_data, tag, .. } = entry;
    let completion = Completion { user_data, tag, kind: kind::DONE, ..Completion::default() };
    match result {
        Ok(Step::Pending) => {}
        Ok(Step::Again) => {
            ring.positions.put_back_submission();
            return false;
        }
        Ok(Step::Done(_)) if entry.flags & flag::QUIET != 0 => ring.positions.unreserve(1),
        Ok(Step::Done(Done { bytes, caps, value })) => {
            ring.post(platform, &Completion { bytes, caps, value, ..completion });
        }
        Err(Refusal { status, bytes, value }) => {
            ring.post(platform, &Completion { status, bytes, value, ..completion });
        }
    }
    true
}
