//! `cap_enter` and `exit`: runs the submissions of the calling thread's ring, then goes on or blocks.
use crate::operation::{Done, Refusal, Step};
use crate::platform::Platform;
use crate::record::Waiter;
use crate::slab::Id;
use crate::stay::cost;
use crate::thread::{State, Thread};
use crate::{Kernel, Next};
use capos_abi::ring::{COMPLETION_ENTRIES, Completion, Submission, flag, kind};
use capos_abi::status;

/// Queued calls that one `cap_enter` takes from endpoints at most.
pub const MAX_PULLED_CALLS: u32 = 16;

impl<P: Platform> Kernel<P> {
    /// System call `cap_enter` of the current thread.
    pub fn enter(&mut self, processor: usize, min_complete: u32, deadline: u64) -> Next {
        self.begin_stay(processor);
        let Some(thread) = self.runnable_at_door(processor) else { return self.settle(processor) };
        let ring = &mut self.threads[thread].ring;
        ring.see_completion_head(self.platform.completion_head(ring.area));
        if ring.has_deadlines() {
            let now = self.platform.now();
            self.expire_records(thread, now);
        }
        if self.drain(processor, thread) {
            self.finish(processor, thread, min_complete.min(COMPLETION_ENTRIES), deadline);
        } else if self.runnable(processor) == Some(thread) {
            self.platform.enter_again(thread.index());
        }
        self.settle(processor)
    }

    /// Lets the thread go on if it has what it wanted, or blocks it.
    fn finish(&mut self, processor: usize, thread: Id<Thread>, wanted: u32, deadline: u64) {
        let Some(entry) = self.threads.get(thread).filter(|t| t.state == State::Running(processor)) else { return };
        if entry.receives {
            self.pull(thread);
        }
        let entry = &mut self.threads[thread];
        let unread = entry.ring.unread();
        if unread >= wanted || (deadline != 0 && deadline <= self.platform.now()) {
            self.platform.set_result(thread.index(), u64::from(unread));
            self.update_timer(thread, 0);
        } else if self.stay.is_over() {
            self.platform.enter_again(thread.index());
        } else {
            entry.state = State::Blocked(wanted);
            self.scheduler.leave(processor);
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
    fn runnable_at_door(&mut self, processor: usize) -> Option<Id<Thread>> {
        let current = self.current(processor);
        let runnable = self.runnable(processor);
        if runnable.is_none() {
            self.enter_again_if_suspended(current);
        }
        runnable
    }

    /// The current thread, unless its process is being ended or is suspended.
    pub(crate) fn runnable(&mut self, processor: usize) -> Option<Id<Thread>> {
        if self.ending > 0 {
            self.stop_if_ending(processor);
        }
        self.current(processor).filter(|&t| self.threads.get(t).is_some_and(|t| t.state == State::Running(processor)))
    }

    /// Starts submissions in order until none is left or the next one has no place for its completion; false if the stay was over
    /// before that.
    fn drain(&mut self, processor: usize, thread: Id<Thread>) -> bool {
        let ring = &self.threads[thread].ring;
        let area = ring.area;
        let mut finished = true;
        for _ in 0..ring.pending_submissions(self.platform.submission_tail(area)) {
            if self.stay.is_over() {
                finished = false;
                break;
            }
            let ring = &mut self.threads[thread].ring;
            if !ring.reserve(1) {
                break;
            }
            let submission = self.platform.submission(area, ring.submission_head);
            ring.submission_head = ring.submission_head.wrapping_add(1);
            let result = self.operate(thread, &submission);
            // The entry may have ended its own thread or process.
            let Some(entry) = self.threads.get_mut(thread).filter(|t| t.state == State::Running(processor)) else {
                return false;
            };
            let completed = match result {
                Ok(Step::Pending) => continue,
                Ok(Step::Again) => {
                    entry.ring.submission_head = entry.ring.submission_head.wrapping_sub(1);
                    entry.ring.unreserve(1);
                    finished = false;
                    break;
                }
                Ok(Step::Done(_)) if submission.flags & flag::QUIET != 0 => {
                    entry.ring.unreserve(1);
                    continue;
                }
                Ok(Step::Done(done)) => Ok(done),
                Err(refusal) => Err(refusal),
            };
            entry.ring.post(&mut self.platform, &completion_of(&submission, completed));
        }
        self.platform.publish_submission_head(area, self.threads[thread].ring.submission_head);
        finished
    }

    /// Takes queued calls into the free slots of the thread's pools, and notices of unreferenced origins.
    fn pull(&mut self, thread: Id<Thread>) {
        let mut budget = MAX_PULLED_CALLS;
        for tag in self.threads[thread].ring.tags() {
            let receiver = Waiter { thread, tag };
            while budget > 0 && !self.stay.is_over() && self.pull_one(receiver) {
                budget -= 1;
            }
        }
    }

    /// Posts a completion into its reserved place, and wakes the thread if it has waited for it.
    pub(crate) fn complete(&mut self, thread: Id<Thread>, completion: &Completion) {
        let entry = &mut self.threads[thread];
        entry.ring.post(&mut self.platform, completion);
        if let State::Blocked(wanted) = entry.state
            && entry.ring.unread() >= wanted
        {
            self.unblock(thread);
        }
    }

    /// Ends a blocked thread's `cap_enter`.
    fn unblock(&mut self, thread: Id<Thread>) {
        let entry = &mut self.threads[thread];
        entry.enter_deadline = 0;
        let unread = entry.ring.unread();
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

    fn expire_records(&mut self, thread: Id<Thread>, now: u64) {
        for tag in self.threads[thread].ring.tags() {
            if self.stay.is_over() {
                return;
            }
            let deadline = self.threads[thread].ring.record(tag).deadline();
            if deadline != 0 && deadline <= now {
                self.stay.spend(cost::ABORT);
                self.abort(Waiter { thread, tag }, status::DEADLINE);
            }
        }
    }

    /// Arms the thread's timer for the earliest of its pending deadlines and that of its `cap_enter` (0 = none).
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

/// The completion of an entry that is done at once.
fn completion_of(submission: &Submission, completed: Result<Done, Refusal>) -> Completion {
    let Submission { user_data, tag, .. } = *submission;
    let completion = Completion { user_data, tag, kind: kind::DONE, ..Completion::default() };
    match completed {
        Ok(Done { bytes, caps, value }) => Completion { bytes, caps, value, ..completion },
        Err(Refusal { status, value }) => Completion { status, value, ..completion },
    }
}
