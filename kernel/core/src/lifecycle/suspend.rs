//! Processes that start, are suspended and go on: their threads stand still wherever they were, and go on as if nothing had been.
//!
//! A thread that was inside of `cap_enter` enters again when it is resumed: what came meanwhile waits for it there.
use crate::Kernel;
use crate::execution::process::{Process, State as ProcessState};
use crate::execution::stay::cost;
use crate::execution::thread::{Pause, State, Thread};
use crate::lifecycle::chore::Chore;
use crate::platform::Platform;
use crate::slab::Id;

impl<P: Platform> Kernel<P> {
    /// Suspends threads of a process as far as the stay allows; whether all stand still. One that runs elsewhere does so when it has been
    /// interrupted.
    pub(crate) fn suspend_step(&mut self, id: Id<Process>) -> bool {
        let entry = &mut self.processes[id];
        if entry.state == ProcessState::Running {
            entry.state = ProcessState::Suspended;
            entry.walk = entry.threads.len();
            self.ending += 1;
        }
        while let Some(thread) = self.walk(id) {
            match self.threads[thread].state {
                State::Running(processor) => self.platform.interrupt_processor(processor),
                _ => self.pause(thread),
            }
        }
        self.processes[id].walk == 0 && !self.runs(id)
    }

    /// The next thread of a process that is still to be suspended or woken, the last one first; `None`: there is none, or the stay is
    /// over.
    fn walk(&mut self, id: Id<Process>) -> Option<Id<Thread>> {
        let entry = &mut self.processes[id];
        while entry.walk > 0 && !self.stay.is_over() {
            self.stay.spend(cost::PLACE);
            entry.walk -= 1;
            if let Some(&thread) = entry.threads.get(entry.walk) {
                return Some(thread);
            }
        }
        None
    }

    /// Whether a thread of this process is on a processor.
    fn runs(&self, id: Id<Process>) -> bool {
        let mut current = (0..self.platform.processors()).filter_map(|processor| self.current(processor));
        current.any(|thread| self.threads.get(thread).is_some_and(|thread| thread.process == id))
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
            State::Created | State::Faulted | State::Suspended(_) | State::Stopped | State::Ended => {
                return;
            }
        };
        self.stay.spend(cost::STOP);
        self.threads[thread].state = State::Suspended(pause);
    }

    /// Lets the threads of a filled or suspended process run; a chore wakes those for whom the stay is too short.
    pub(crate) fn begin_process(&mut self, id: Id<Process>) {
        let entry = &mut self.processes[id];
        self.ending -= u32::from(entry.state == ProcessState::Suspended);
        entry.state = ProcessState::Running;
        entry.walk = entry.threads.len();
        if !self.wake_threads(id) && !core::mem::replace(&mut self.processes[id].is_waking, true) {
            self.chores.push(Chore::Wake(id));
        }
    }

    /// The chore of [`Self::begin_process`]: nothing if the process no longer runs.
    pub(crate) fn wake_left(&mut self, id: Id<Process>) -> Option<Chore> {
        if self.processes.get(id)?.state == ProcessState::Running && !self.wake_threads(id) {
            return Some(Chore::Wake(id));
        }
        self.processes[id].is_waking = false;
        None
    }

    /// Wakes threads of a process as far as the stay allows; whether all are awake.
    fn wake_threads(&mut self, id: Id<Process>) -> bool {
        while let Some(thread) = self.walk(id) {
            match self.threads[thread].state {
                State::Suspended(Pause::Entering) => self.platform.enter_again(thread.index()),
                // Whoever was made while the process was suspended starts with it.
                State::Suspended(Pause::Running) | State::Created => {}
                _ => continue,
            }
            self.stay.spend(cost::STOP);
            self.wake(thread);
        }
        self.processes[id].walk == 0
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
