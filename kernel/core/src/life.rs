//! The ends of things: threads, processes, and objects that nothing refers to any more.
//!
//! Order of a process's death: stop its threads, end their pending operations, close its handles, unmap its memory, free its
//! page tables, tell those who wait for it.
use crate::Kernel;
use crate::capability::Object;
use crate::endpoint::Endpoint;
use crate::frame::{FRAME_BYTES, Frame};
use crate::handle::SlotRef;
use crate::ledger::{Ledger, Resource};
use crate::memory::{Backing, MemoryObject};
use crate::platform::{Platform, Space};
use crate::process::{Outcome, Process, State as ProcessState};
use crate::range::{Kind, Range};
use crate::record::{Record, Waiter};
use crate::slab::Id;
use crate::thread::{State, Thread};
use capos_abi::status;

/// Pages unmapped between two flushes of stale translations.
const UNMAP_BATCH: usize = 64;

impl<P: Platform> Kernel<P> {
    /// Ends one thread; with the last one its process ends.
    pub(crate) fn end_thread(&mut self, thread: Id<Thread>, code: i32) {
        let process = self.threads[thread].process;
        self.stop_thread(thread, code);
        self.processes[process].last_code = code;
        if self.processes[process].threads.is_empty() {
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
        self.processes[process].state = ProcessState::Ending(outcome);
        self.ending += 1;
        for i in (0..self.processes[process].threads.len()).rev() {
            let Some(&thread) = self.processes[process].threads.get(i) else { continue };
            match self.threads[thread].state {
                State::Running(processor) if self.is_elsewhere(processor) => {
                    self.platform.interrupt_processor(processor)
                }
                _ => self.stop_thread(thread, status::CANCELLED),
            }
        }
        if self.processes[process].threads.is_empty() {
            self.finish_process(process, outcome);
        }
    }

    /// Whether another processor than the one inside the kernel runs there.
    fn is_elsewhere(&self, processor: usize) -> bool {
        self.inside != Some(processor)
    }

    /// The current thread's process may have been ended from another processor: stop the thread now.
    pub(crate) fn stop_if_ending(&mut self, processor: usize) {
        if let Some(thread) = self.current(processor)
            && let Some(entry) = self.threads.get(thread)
            && let ProcessState::Ending(outcome) = self.processes[entry.process].state
        {
            let process = entry.process;
            self.stop_thread(thread, status::CANCELLED);
            if self.processes[process].threads.is_empty() {
                self.finish_process(process, outcome);
            }
        }
    }

    /// Takes a thread off its processor and queues, ends its pending operations and frees its ring.
    fn stop_thread(&mut self, thread: Id<Thread>, code: i32) {
        match self.threads[thread].state {
            State::Ready => self.forget(thread),
            State::Ended => return,
            State::Created | State::Running(_) | State::Blocked(_) => {}
        }
        let entry = &mut self.threads[thread];
        entry.state = State::Ended;
        entry.code = code;
        let process = entry.process;
        self.timers.set(thread.index(), None);
        for tag in self.threads[thread].ring.tags() {
            self.abort(Waiter { thread, tag }, status::CANCELLED);
        }
        self.processes[process].threads.retain(|t| *t != thread);
        self.free_ring(thread);
        let waiters = core::mem::take(&mut self.threads[thread].waiters);
        waiters.into_iter().for_each(|waiter| self.answer_join(waiter, code));
        self.release(Object::Thread(thread));
    }

    /// Unmaps and frees a thread's ring area.
    fn free_ring(&mut self, thread: Id<Thread>) {
        let entry = &self.threads[thread];
        let (process, area, start) = (entry.process, entry.ring.area, entry.ring_address);
        let pages = u64::from(area.bytes) / FRAME_BYTES;
        if let Some(space) = self.processes[process].space {
            self.unmap_pages(space, start, pages);
        }
        let ranges = &mut self.processes[process].ranges;
        if ranges.prepare().is_ok() {
            ranges.remove(start, start + u64::from(area.bytes));
        }
        self.frames.free_contiguous(area.frame, pages);
        let ledger = self.threads[thread].ledger;
        self.ledgers[ledger].refund(Resource::Frames, pages);
    }

    /// Takes a process without threads apart.
    fn finish_process(&mut self, process: Id<Process>, outcome: Outcome) {
        if self.init == Some(process) {
            self.platform.give_up(format_args!("init has ended ({outcome:?}): nobody supervises the system any more"));
        }
        if matches!(self.processes[process].state, ProcessState::Ending(_)) {
            self.ending -= 1;
        }
        self.processes[process].state = ProcessState::Ending(outcome);
        self.end_minted_calls(process);
        for index in 0..self.processes[process].handles.len() {
            self.release_slot(SlotRef { process, index });
        }
        while let Some(range) = self.processes[process].ranges.pop() {
            self.free_range(process, &range);
        }
        if let Some(space) = self.processes[process].space.take() {
            self.platform.destroy_space(space, &mut self.frames);
        }
        let entry = &mut self.processes[process];
        let (ledger, tables) = (entry.ledger, core::mem::take(&mut entry.table_frames));
        entry.state = ProcessState::Ended(outcome);
        let waiters = core::mem::take(&mut entry.waiters);
        self.ledgers[ledger].refund(Resource::Frames, tables);
        waiters.into_iter().for_each(|waiter| self.answer_wait(waiter, outcome));
        self.release(Object::Process(process));
    }

    /// Calls that wait for objects which ended with their minter are stale.
    fn end_minted_calls(&mut self, process: Id<Process>) {
        for index in 0..self.processes[process].handles.len() {
            let Some(slot) = self.processes[process].handles.slot(index) else { continue };
            if let Some(Object::Served(served)) = slot.capability().map(|c| c.object)
                && served.minter == Some(process)
            {
                self.end_queued_calls(served.endpoint, Some(process));
            }
        }
    }

    /// Ends the calls queued at an endpoint: all, or those to objects of one minter.
    pub(crate) fn end_queued_calls(&mut self, endpoint: Id<Endpoint>, minter: Option<Id<Process>>) {
        let mut at = self.endpoints[endpoint].first;
        while let Some(call) = at {
            let Record::Call(record) = self.threads[call.thread].ring.record(call.tag) else { return };
            let next = match record.state {
                crate::record::CallState::Queued { next, .. } => next,
                crate::record::CallState::Delivered { .. } => None,
            };
            if minter.is_none() || record.minter == minter {
                self.unlink_call(endpoint, call);
                self.end_call(call, status::STALE, 0);
            }
            at = next;
        }
    }

    /// Unmaps a range that was taken out of its map, frees its private memory and refunds it.
    pub(crate) fn free_range(&mut self, process: Id<Process>, range: &Range) {
        let Some(space) = self.processes[process].space else { return };
        match range.kind {
            Kind::Reserved | Kind::Ring => {}
            Kind::Committed(_) => {
                self.free_committed(space, range.start, range.pages());
                let ledger = self.processes[process].ledger;
                self.ledgers[ledger].refund(Resource::Frames, range.pages());
            }
            Kind::Mapped { object, writable, .. } => {
                self.unmap_pages(space, range.start, range.pages());
                self.memory[object].writers -= u32::from(writable);
                self.release(Object::Memory(object));
            }
        }
    }

    /// Unmaps pages whose frames belong to something else.
    pub(crate) fn unmap_pages(&mut self, space: Space, start: u64, pages: u64) {
        for page in 0..pages {
            self.platform.unmap(space, start + page * FRAME_BYTES);
        }
        self.platform.flush(space, start, pages);
    }

    /// Frees private pages, those that were never touched as reservations.
    fn free_committed(&mut self, space: Space, start: u64, pages: u64) {
        let mut page = 0;
        while page < pages {
            let mut batch = [None::<Frame>; UNMAP_BATCH];
            let count = (pages - page).min(UNMAP_BATCH as u64);
            for (i, place) in (0..count).zip(batch.iter_mut()) {
                *place = self.platform.unmap(space, start + (page + i) * FRAME_BYTES);
            }
            // Pages that were never touched have no translation that could be stale.
            if batch.iter().any(Option::is_some) {
                self.platform.flush(space, start + page * FRAME_BYTES, count);
            }
            let touched = batch.into_iter().flatten().inspect(|frame| self.frames.free(*frame)).count();
            self.frames.unreserve(count - touched as u64);
            page += count;
        }
    }

    /// Gives up a reference to an object; the last one ends it.
    pub(crate) fn release(&mut self, object: Object) {
        match object {
            Object::Ledger(id) => self.release_ledger(id),
            Object::Process(id) | Object::VirtualMemory(id) | Object::Handles(id) => self.release_process(id),
            Object::Thread(id) => self.release_thread(id),
            Object::Memory(id) => self.release_memory(id),
            Object::Endpoint(id) => {
                let endpoint = &mut self.endpoints[id];
                if endpoint.ledger.is_some() {
                    endpoint.owners -= 1;
                    if endpoint.owners == 0 {
                        self.end_queued_calls(id, None);
                    }
                }
                self.release_endpoint(id);
            }
            Object::Served(served) => self.release_endpoint(served.endpoint),
            Object::Notification(id) => {
                self.notifications[id].references -= 1;
                if self.notifications[id].references == 0
                    && let Some(notification) = self.notifications.remove(id)
                    && let Some(ledger) = notification.ledger
                {
                    self.refund_object(ledger);
                }
            }
            Object::Interrupt(line) => self.release_interrupt(line),
            Object::Clock
            | Object::InterruptLines
            | Object::IoPorts(..)
            | Object::KernelLog
            | Object::Entropy
            | Object::System
            | Object::Null => {}
        }
    }

    pub(crate) fn release_endpoint(&mut self, id: Id<Endpoint>) {
        self.endpoints[id].references -= 1;
        if self.endpoints[id].references == 0
            && let Some(endpoint) = self.endpoints.remove(id)
            && let Some(ledger) = endpoint.ledger
        {
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
            && let Some(process) = self.processes.remove(id)
            && process.charged
        {
            self.refund_object(process.ledger);
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
        if self.memory[id].references > 0 {
            return;
        }
        let Some(object) = self.memory.remove(id) else { return };
        let (pages, ledger) = (object.pages(), object.ledger);
        self.free_backing(object.backing, pages);
        if let Some(ledger) = ledger {
            self.ledgers[ledger].refund(Resource::Frames, pages);
            self.refund_object(ledger);
        }
    }

    /// Frees the memory of an object of so many pages.
    pub(crate) fn free_backing(&mut self, backing: Backing, pages: u64) {
        if let Backing::Anonymous(frames) = backing {
            let touched = frames.into_iter().flatten().inspect(|frame| self.frames.free(*frame)).count();
            self.frames.unreserve(pages - touched as u64);
        }
    }

    /// Takes back the charge for one object, and the object's reference to its ledger.
    pub(crate) fn refund_object(&mut self, ledger: Id<Ledger>) {
        self.ledgers[ledger].refund(Resource::Objects, 1);
        self.release_ledger(ledger);
    }
}
