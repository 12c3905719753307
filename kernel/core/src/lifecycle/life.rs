//! The ends of things: threads, processes, and objects that nothing refers to any more.
//!
//! Here they end; [`crate::lifecycle::burial`] puts away what they leave.
use crate::Kernel;
use crate::authority::capability::Object;
use crate::execution::process::{Outcome, Process, State as ProcessState};
use crate::execution::stay::cost;
use crate::execution::thread::{State, Thread};
use crate::ipc::endpoint::Endpoint;
use crate::ipc::notification::Notification;
use crate::ipc::record::{CallState, Record};
use crate::ledger::{Ledger, Resource};
use crate::lifecycle::chore::Chore;
use crate::memory::MemoryObject;
use crate::platform::Platform;
use crate::slab::Id;
use capos_abi::status;

impl<P: Platform> Kernel<P> {
    /// Ends one thread; with the last one its process ends.
    pub(crate) fn end_thread(&mut self, thread: Id<Thread>, code: i32) {
        let process = self.threads[thread].process;
        self.stop_thread(thread, code);
        self.processes[process].last_code = code;
        if self.processes[process].live_threads == 0 {
            match self.processes[process].state {
                ProcessState::Ending(outcome) => self.finish_process(process, outcome),
                _ => self.finish_process(process, Outcome::Exited(code)),
            }
        }
    }

    /// Ends all threads of a process. One that runs on another processor is stopped there before the process is taken apart.
    pub(crate) fn end_process(&mut self, process: Id<Process>, outcome: Outcome) {
        if !self.processes[process].is_alive() {
            return;
        }
        // A suspended process is counted already.
        self.ending += u32::from(self.processes[process].state != ProcessState::Suspended);
        self.processes[process].state = ProcessState::Ending(outcome);
        if let Some(current) = self.inside.and_then(|processor| self.current(processor))
            && self.threads.get(current).is_some_and(|t| t.process == process)
        {
            self.stop_thread(current, status::CANCELLED);
        }
        self.chores.push(Chore::Stop(process, self.processes[process].threads.len()));
    }

    /// Stops the first `left` threads of a process that ends, the last of them first, as far as the stay allows; how many are left.
    pub(crate) fn stop_threads(&mut self, process: Id<Process>, left: usize) -> Option<usize> {
        for i in (0..left).rev() {
            if self.stay.is_over() {
                return Some(i + 1);
            }
            self.stay.spend(cost::STOP);
            let Some(&thread) = self.processes[process].threads.get(i) else { continue };
            match self.threads[thread].state {
                State::Running(processor) if self.is_elsewhere(processor) => {
                    self.platform.interrupt_processor(processor)
                }
                _ => self.stop_thread(thread, status::CANCELLED),
            }
        }
        if self.processes[process].live_threads == 0
            && let ProcessState::Ending(outcome) = self.processes[process].state
        {
            self.finish_process(process, outcome);
        }
        None
    }

    /// Whether another processor than the one inside the kernel runs there.
    fn is_elsewhere(&self, processor: usize) -> bool {
        self.inside != Some(processor)
    }

    /// The current thread's process may have been ended or suspended from another processor: stop the thread now.
    #[cold]
    pub(crate) fn stop_if_ending(&mut self, processor: usize) {
        let Some(thread) = self.current(processor) else { return };
        let Some(entry) = self.threads.get(thread) else { return };
        let process = entry.process;
        if self.processes[process].state == ProcessState::Suspended && matches!(entry.state, State::Running(_)) {
            self.pause(thread);
        } else if let ProcessState::Ending(outcome) = self.processes[process].state {
            self.stop_thread(thread, status::CANCELLED);
            if self.processes[process].live_threads == 0 {
                self.finish_process(process, outcome);
            }
        }
    }

    /// Takes a thread off its processor and queues; what it leaves is put away later.
    fn stop_thread(&mut self, thread: Id<Thread>, code: i32) {
        match self.threads[thread].state {
            State::Ready => self.forget(thread),
            State::Stopped | State::Ended => return,
            State::Running(processor) => self.scheduler.leave(processor),
            State::Faulted => {
                let process = self.threads[thread].process;
                self.processes[process].open_faults.close(&mut self.threads, thread);
            }
            State::Created | State::Blocked(_) | State::Suspended(_) => {}
        }
        let entry = &mut self.threads[thread];
        entry.state = State::Stopped;
        entry.code = code;
        let process = entry.process;
        self.processes[process].live_threads -= 1;
        self.timers.set(thread.index(), None);
        self.take_account_back(thread);
        if let Some(context) = self.threads[thread].context {
            self.unbind_context(context);
        }
        self.chores.push(Chore::thread(thread));
    }

    /// A process without live threads ends; what it leaves is put away behind what its threads leave.
    fn finish_process(&mut self, process: Id<Process>, outcome: Outcome) {
        if self.init == Some(process) {
            self.flush_log();
            self.platform.give_up(format_args!("init has ended ({outcome:?}): nobody supervises the system any more"));
        }
        if core::mem::replace(&mut self.processes[process].is_finished, true) {
            return;
        }
        if matches!(self.processes[process].state, ProcessState::Ending(_)) {
            self.ending -= 1;
        }
        self.processes[process].state = ProcessState::Ending(outcome);
        self.chores.push(Chore::process(process));
    }

    /// Ends the calls queued at an endpoint, all or those to objects of one minter, as far as the stay allows; whether none is
    /// left.
    pub(crate) fn end_queued_calls(&mut self, endpoint: Id<Endpoint>, minter: Option<Id<Process>>) -> bool {
        let queue = &mut self.endpoints[endpoint];
        let mut at = queue.sweep.take().or(queue.first);
        while let Some(call) = at {
            if self.stay.is_over() {
                self.endpoints[endpoint].sweep = at;
                return false;
            }
            self.stay.spend(cost::PLACE);
            let Record::Call(record) = self.threads[call.thread].ring.record(call.tag) else { return true };
            let CallState::Queued { next, letter, .. } = record.state else { return true };
            if minter.is_none() || letter.minter == minter {
                self.stay.spend(cost::ABORT);
                self.unlink_call(endpoint, call);
                self.end_call(call, status::STALE, 0);
            }
            at = next;
        }
        true
    }

    /// Gives up a reference to an object; the last one ends it.
    pub(crate) fn release(&mut self, object: Object) {
        match object {
            Object::Ledger(id) => self.release_ledger(id),
            Object::Process(id) | Object::VirtualMemory(id) | Object::Handles(id) => self.release_process(id),
            Object::Scheduling(id) => self.release_context(id),
            Object::Faults(id) => {
                self.processes[id].handlers -= 1;
                if self.processes[id].handlers == 0 {
                    self.abandon_faults(id);
                }
                self.release_process(id);
            }
            Object::Thread(id) => self.release_thread(id),
            Object::Memory(id) => self.release_memory(id),
            Object::Endpoint(id) => {
                let endpoint = &mut self.endpoints[id];
                if endpoint.ledger.is_some() {
                    endpoint.owners -= 1;
                    if endpoint.owners == 0 {
                        endpoint.references += 1;
                        self.chores.push(Chore::Endpoint(id));
                    }
                }
                self.release_endpoint(id);
            }
            Object::Served(served) => self.release_endpoint(served.endpoint),
            Object::Notification(id) => self.release_notification(id),
            Object::Interrupt(line) => self.release_interrupt(line),
            Object::Session(id) => self.release_session(id),
            Object::SessionControl(id) => self.release_control(id),
            Object::SchedulingAuthority
            | Object::SessionAuthority
            | Object::Clock
            | Object::InterruptLines
            | Object::IoPorts(..)
            | Object::KernelLog
            | Object::Entropy
            | Object::System
            | Object::Null => {}
        }
    }

    #[inline(always)]
    pub(crate) fn release_endpoint(&mut self, id: Id<Endpoint>) {
        let endpoint = &mut self.endpoints[id];
        endpoint.references -= 1;
        if endpoint.references == 0 {
            self.remove_endpoint(id);
        }
    }

    #[cold]
    fn remove_endpoint(&mut self, id: Id<Endpoint>) {
        if let Some(mut endpoint) = self.endpoints.remove(id)
            && let Some(ledger) = endpoint.ledger
        {
            endpoint.free(&mut self.ledgers[ledger]);
            self.refund_object(ledger);
        }
    }

    #[inline]
    pub(crate) fn release_notification(&mut self, id: Id<Notification>) {
        let notification = &mut self.notifications[id];
        notification.references -= 1;
        if notification.references == 0 {
            self.remove_notification(id);
        }
    }

    #[cold]
    fn remove_notification(&mut self, id: Id<Notification>) {
        if let Some(mut notification) = self.notifications.remove(id)
            && let Some(ledger) = notification.ledger
        {
            notification.bits.free(&mut self.ledgers[ledger]);
            self.refund_object(ledger);
        }
    }

    pub(crate) fn release_ledger(&mut self, id: Id<Ledger>) {
        self.ledgers[id].references -= 1;
        if self.ledgers[id].references == 0 {
            self.detach_ledger(id);
            self.ledgers.remove(id);
        }
    }

    /// Gives an empty ledger's limits back to the one that it was made from.
    pub(crate) fn detach_ledger(&mut self, id: Id<Ledger>) {
        if let Some(parent) = Ledger::detach(&mut self.ledgers, id) {
            self.refund_object(parent);
        }
    }

    fn release_process(&mut self, id: Id<Process>) {
        self.processes[id].references -= 1;
        let entry = &self.processes[id];
        if entry.references == 1 && entry.state == ProcessState::Created {
            // Nobody can start it any more.
            self.end_process(id, Outcome::Killed);
        } else if entry.references == 0
            && let Some(mut process) = self.processes.remove(id)
        {
            self.release_session(process.session);
            if process.charged {
                process.free_record(&mut self.ledgers[process.ledger]);
                self.refund_object(process.ledger);
            }
        }
    }

    fn release_thread(&mut self, id: Id<Thread>) {
        self.threads[id].references -= 1;
        if self.threads[id].references == 0
            && let Some(thread) = self.threads.remove(id)
            && thread.charged
        {
            self.ledgers[thread.ledger].refund(Resource::Threads, 1);
            self.release_ledger(thread.ledger);
        }
    }

    fn release_memory(&mut self, id: Id<MemoryObject>) {
        self.memory[id].references -= 1;
        if self.memory[id].references == 0 {
            self.chores.push(Chore::Memory(id));
        }
    }

    /// Takes back the charge for one object, and the object's reference to its ledger.
    pub(crate) fn refund_object(&mut self, ledger: Id<Ledger>) {
        self.ledgers[ledger].refund(Resource::Objects, 1);
        self.release_ledger(ledger);
    }
}
