//! Suspended processes: their threads stand still wherever they were, and go on as if nothing had been.
//!
//! A thread that was inside of `cap_enter` enters again when it is resumed: what came meanwhile waits for it there.
use crate::Kernel;
use crate::execution::process::{Process, State as ProcessState};
use crate::execution::stay::cost;
use crate::execution::thread::{Pause, State, Thread};
use crate::platform::Platform;
use crate::slab::Id;

impl<P: Platform> Kernel<P> {
    /// Suspends threads of a process as far as the stay allows; whether all stand still. One that runs elsewhere does so when it has been
    /// interrupted.
    pub(crate) fn suspend_step(&mut self, id: Id<Process>) -> bool {
        if self.processes[id].state == ProcessState::Running {
            self.processes[id].state = ProcessState::Suspended;
            self.ending += 1;
        }
        let mut all_stand = true;
        for i in 0..self.processes[id].threads.len() {
            if self.stay.is_over() {
                return false;
            }
            let Some(&thread) = self.processes[id].threads.get(i) else { continue };
            match self.threads[thread].state {
                State::Running(processor) => {
                    self.platform.interrupt_processor(processor);
                    all_stand = false;
                }
                _ => self.pause(thread),
            }
        }
        all_stand
    }

    /// Makes a thread stand still that does not run, or runs on this processor.
    pub(crate) fn pause(&mut self, thread: Id<Thread>) {
        let pause = match self.threads[thread].state {
            State::Ready => {
                self.forget(thread);
                Pause::Running
            }
            State::Running(processor) => {
                self.scheduler.leave(processor);
                Pause::Running
            }
            State::Blocked(_) => {
                self.update_timer(thread, 0);
                Pause::Entering
            }
            State::Clearing | State::Created | State::Faulted | State::Suspended(_) | State::Stopped | State::Ended => {
                return;
            }
        };
        self.stay.spend(cost::STOP);
        self.threads[thread].state = State::Suspended(pause);
    }

    /// Lets threads of a suspended process go on as far as the stay allows; whether all do.
    pub(crate) fn resume_step(&mut self, id: Id<Process>) -> bool {
        if self.processes[id].state == ProcessState::Suspended {
            self.processes[id].state = ProcessState::Running;
            self.ending -= 1;
        }
        for i in 0..self.processes[id].threads.len() {
            if self.stay.is_over() {
                return false;
            }
            let Some(&thread) = self.processes[id].threads.get(i) else { continue };
            match self.threads[thread].state {
                State::Suspended(Pause::Entering) => self.platform.enter_again(thread.index()),
                // Whoever was made while the process was suspended starts with it.
                State::Suspended(Pause::Running) | State::Created => {}
                _ => continue,
            }
            self.stay.spend(cost::STOP);
            self.wake(thread);
        }
        true
    }

    /// A thread was stopped at the door of a system call that it has to make again when it goes on.
    #[cold]
    pub(crate) fn enter_again_if_suspended(&mut self, thread: Option<Id<Thread>>) {
        if let Some(thread) = thread
            && let Some(entry) = self.threads.get_mut(thread)
            && entry.state == State::Suspended(Pause::Running)
        {
            entry.state = State::Suspended(Pause::Entering);
        }
    }
}
