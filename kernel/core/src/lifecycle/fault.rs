//! What becomes of a thread that faulted: its process ends and leaves a record, or a handler answers.
use crate::Kernel;
use crate::execution::process::{Outcome, Process, State as ProcessState};
use crate::execution::stay::cost;
use crate::execution::thread::{Pause, State, Thread};
use crate::execution::trap::Fault;
use crate::heap;
use crate::platform::{Platform, REGISTERS, STACK_POINTER};
use crate::slab::Id;
use alloc::vec::Vec;

/// Words of the stack that a record holds at most.
const STACK_WORDS: usize = 64;
/// Words of a record at most.
pub const RECORD_WORDS: usize = REGISTERS + STACK_WORDS;

/// How a process crashed.
pub struct Crash {
    /// Number of the thread.
    pub thread: u32,
    /// What it did.
    pub fault: Fault,
    /// Its registers, then its stack from the stack pointer on; empty if its ledger could not pay for them, or pays no more.
    pub words: Vec<u64>,
}

impl<P: Platform> Kernel<P> {
    /// A running thread has faulted: it waits for its handler, or its process ends.
    pub(crate) fn take_fault(&mut self, thread: Id<Thread>, fault: Fault) {
        let process = self.threads[thread].process;
        // Where nothing can be charged any more no page is filled: that is the end of the ledger, not a fault of the program.
        if self.ledgers[self.processes[process].ledger].closed {
            return self.end_process(process, Outcome::Killed);
        }
        if self.processes[process].handlers == 0 {
            return self.end_by_fault(thread, fault);
        }
        let entry = &mut self.threads[thread];
        if let State::Running(processor) = entry.state {
            self.scheduler.leave(processor);
        }
        entry.state = State::Faulted;
        let entry = &mut self.processes[process];
        entry.open_faults.open(&mut self.threads, thread, fault);
        if let Some(waiter) = entry.fault_waiters.pop() {
            self.answer_fault(waiter, process);
        }
    }

    /// Ends the process of a thread by the thread's fault.
    pub(crate) fn end_by_fault(&mut self, thread: Id<Thread>, fault: Fault) {
        let process = self.threads[thread].process;
        self.log_fault(process, &fault);
        self.stay.spend(RECORD_WORDS as u32 * cost::RECORD_WORD);
        let entry = &mut self.processes[process];
        let ledger = &mut self.ledgers[entry.ledger];
        entry.free_record(ledger);
        let mut words = heap::allocate(RECORD_WORDS, ledger).unwrap_or_default();
        if words.capacity() > 0 {
            let mut buffer = [0; RECORD_WORDS];
            words.extend_from_slice(self.thread_record(thread, &mut buffer));
        }
        self.processes[process].crash = Some(Crash { thread: thread.index(), fault, words });
        self.end_process(process, Outcome::Faulted(fault));
    }

    /// The registers of a thread that stands still, and as much of its stack as can be read.
    pub(crate) fn thread_record<'a>(&self, thread: Id<Thread>, buffer: &'a mut [u64; RECORD_WORDS]) -> &'a [u64] {
        let registers = self.platform.registers(thread.index());
        let space = self.processes[self.threads[thread].process].space;
        let (head, stack) = buffer.split_at_mut(REGISTERS);
        head.copy_from_slice(&registers);
        let first = registers[STACK_POINTER];
        let mut words = REGISTERS;
        for (place, offset) in stack.iter_mut().zip((0..).step_by(size_of::<u64>())) {
            let address = first.wrapping_add(offset);
            let Some(word) = space.and_then(|space| self.platform.read_word(space, address)) else { break };
            *place = word;
            words += 1;
        }
        buffer.get(..words).unwrap_or_default()
    }

    /// The thread of this number, and what it did, if that waits for an answer.
    pub(crate) fn faulted_thread(&self, process: Id<Process>, number: u64) -> Option<(Id<Thread>, Fault)> {
        let id = self.threads.id_at(u32::try_from(number).ok()?)?;
        let thread = &self.threads[id];
        let open = thread.fault.as_ref().filter(|_| thread.process == process)?;
        Some((id, open.fault))
    }

    /// Lets a thread go on whose fault was answered.
    pub(crate) fn resume_faulted(&mut self, thread: Id<Thread>) {
        let process = self.threads[thread].process;
        self.processes[process].open_faults.close(&mut self.threads, thread);
        if self.processes[process].state == ProcessState::Suspended {
            self.threads[thread].state = State::Suspended(Pause::Running);
        } else {
            self.wake(thread);
        }
    }

    /// Nobody answers the faults of a process any more.
    pub(crate) fn abandon_faults(&mut self, process: Id<Process>) {
        if let Some(thread) = self.processes[process].open_faults.any()
            && let Some(open) = &self.threads[thread].fault
        {
            self.end_by_fault(thread, open.fault);
        }
    }
}
