//! Putting away what ended: in steps, each as long as its stay allows (`chore`).
//!
//! Order of a process's death: its threads stop, their pending operations end and their rings go; then its handles, its memory,
//! its page tables; then those who wait for it are told.
use crate::Kernel;
use crate::authority::capability::Object;
use crate::authority::handle::SlotRef;
use crate::authority::session::Session;
use crate::execution::process::{Process, State as ProcessState};
use crate::execution::stay::cost;
use crate::execution::thread::{State, Thread};
use crate::ipc::endpoint::Endpoint;
use crate::ipc::record::{Record, Waiter};
use crate::ledger::Resource;
use crate::lifecycle::chore::Chore;
use crate::memory::frame::FRAME_BYTES;
use crate::memory::unmap::UNMAP_BATCH;
use crate::memory::{Backing, MemoryObject};
use crate::platform::Platform;
use crate::slab::Id;
use capos_abi::status;

impl<P: Platform> Kernel<P> {
    pub(crate) fn bury_thread(&mut self, id: Id<Thread>, first: u16, page: u64) -> Option<Chore> {
        let mut next = first;
        while let Some(tag) = self.next_operation(id, next, |record| !matches!(record, Record::Free)) {
            if self.stay.is_over() || !self.abort(Waiter { thread: id, tag }, status::CANCELLED) {
                return Some(Chore::Thread(id, tag, page));
            }
            next = tag + 1;
        }
        let left = self.free_ring(id, page);
        if left.is_some() {
            return left;
        }
        let entry = &mut self.threads[id];
        let (process, code) = (entry.process, entry.code);
        entry.state = State::Ended;
        while let Some(waiter) = self.threads[id].waiters.pop() {
            self.stay.spend(cost::ABORT);
            self.answer_join(waiter, code);
            if self.stay.is_over() {
                return Some(Chore::Thread(id, self.threads[id].ring.tags().end, u64::MAX));
            }
        }
        self.leave_process(id, process);
        let entry = &mut self.threads[id];
        entry.free_lists(&mut self.ledgers[entry.ledger]);
        self.release(Object::Thread(id));
        None
    }

    /// Takes a thread out of its process's list. The last one comes into its place: whoever walks the list goes from its end to its
    /// start, and passes nobody by.
    fn leave_process(&mut self, id: Id<Thread>, process: Id<Process>) {
        let (place, list) = (self.threads[id].place, &mut self.processes[process].threads);
        let Some(last) = list.pop() else { return };
        if let Some(left) = list.get_mut(place) {
            *left = last;
            self.threads[last].place = place;
        }
    }

    pub(crate) fn bury_calls(&mut self, id: Id<Endpoint>) -> Option<Chore> {
        if !self.end_queued_calls(id, None) {
            return Some(Chore::Endpoint(id));
        }
        self.release_endpoint(id);
        None
    }

    pub(crate) fn bury_session(&mut self, id: Id<Session>) -> Option<Chore> {
        if !self.end_session_step(id) {
            return Some(Chore::Session(id));
        }
        self.release_session(id);
        None
    }

    /// Unmaps and frees a thread's ring area from this page on.
    fn free_ring(&mut self, id: Id<Thread>, page: u64) -> Option<Chore> {
        let entry = &self.threads[id];
        let (process, area, start, ledger) = (entry.process, entry.ring.area, entry.ring_address, entry.ledger);
        let end = start + u64::from(entry.ring.area_bytes);
        let pages = (end - start) / FRAME_BYTES;
        if page >= pages {
            return None;
        }
        let batch = (pages - page).min(UNMAP_BATCH as u64);
        let mapped = (u64::from(area.bytes) / FRAME_BYTES).saturating_sub(page).min(batch);
        if let Some(space) = self.processes[process].space
            && mapped > 0
        {
            self.unmap_pages(space, start + page * FRAME_BYTES, mapped);
        }
        self.frames.free_contiguous(area.first_frame().offset(page), batch);
        self.ledgers[ledger].refund(Resource::Frames, batch);
        self.stay.spend(batch as u32 * cost::PAGE);
        if page + batch < pages {
            return Some(Chore::Thread(id, self.threads[id].ring.tags().end, page + batch));
        }
        self.processes[process].ranges.remove(start, end);
        None
    }

    pub(crate) fn bury_process(&mut self, id: Id<Process>, first: u32) -> Option<Chore> {
        for slot in first..self.processes[id].handles.len() {
            if self.stay.is_over() {
                return Some(Chore::Process(id, slot));
            }
            if !self.end_minted_calls(id, slot) {
                return Some(Chore::Process(id, slot));
            }
            self.bury_slot(SlotRef { process: id, index: slot });
        }
        let rest = Some(Chore::Process(id, self.processes[id].handles.len()));
        while let Some(range) = self.processes[id].ranges.last().copied() {
            if self.stay.is_over() {
                return rest;
            }
            self.spend_on_range(id);
            let reached = self.free_pages(id, &range);
            self.processes[id].ranges.remove(range.start, reached);
            if reached < range.end {
                return rest;
            }
            if let Some(piece) = range.kind.piece() {
                self.remove_piece(id, piece);
            }
            if self.stay.is_over() {
                return rest;
            }
        }
        let entry = &mut self.processes[id];
        while entry.free_maps(&mut self.ledgers[entry.ledger]) {
            self.stay.spend(cost::SLOT);
            if self.stay.is_over() {
                return rest;
            }
        }
        if !self.free_tables(id) {
            return rest;
        }
        let entry = &mut self.processes[id];
        entry.free_lists(&mut self.ledgers[entry.ledger]);
        if !self.answer_end(id) {
            return rest;
        }
        self.release(Object::Process(id));
        None
    }

    fn bury_slot(&mut self, slot: SlotRef) {
        let is_used = self.processes[slot.process].handles.slot(slot.index).is_some_and(|s| s.capability().is_some());
        self.stay.spend(if is_used { cost::SLOT } else { cost::PLACE });
        if is_used {
            self.release_slot(slot);
        }
    }

    /// Nothing is left of a process but what it ended with: those who wait for it are told, at least one of them, and as many as
    /// the stay allows; whether all are.
    fn answer_end(&mut self, id: Id<Process>) -> bool {
        let entry = &mut self.processes[id];
        let (ProcessState::Ending(outcome) | ProcessState::Ended(outcome)) = entry.state else { return true };
        entry.state = ProcessState::Ended(outcome);
        loop {
            let entry = &mut self.processes[id];
            if let Some(waiter) = entry.fault_waiters.pop() {
                self.abort(waiter, status::STALE);
            } else if let Some(waiter) = entry.waiters.pop() {
                self.stay.spend(cost::ABORT);
                self.answer_wait(waiter, outcome);
            } else {
                entry.free_waiters(&mut self.ledgers[entry.ledger]);
                return true;
            }
            // Their lists are held until all are told: until then the process is not put away.
            if self.stay.is_over() {
                return false;
            }
        }
    }

    /// Calls that wait for an object which ended with its minter are stale; whether all have ended.
    fn end_minted_calls(&mut self, id: Id<Process>, slot: u32) -> bool {
        let held = self.processes[id].handles.slot(slot).and_then(|s| s.capability());
        match held.map(|c| c.object) {
            Some(Object::Served(served)) if served.minter == Some(id) => {
                self.end_queued_calls(served.endpoint, Some(id))
            }
            _ => true,
        }
    }

    pub(crate) fn bury_memory(&mut self, id: Id<MemoryObject>) -> Option<Chore> {
        self.memory.get(id)?;
        if !self.free_memory(id) {
            return Some(Chore::Memory(id));
        }
        if self.memory[id].references == 0 {
            self.memory.remove(id);
        }
        None
    }

    /// Frees the frames of a memory object, as far as the stay allows; once all are free its payer is refunded.
    pub(crate) fn free_memory(&mut self, id: Id<MemoryObject>) -> bool {
        let object = &mut self.memory[id];
        if let Backing::Anonymous(pages) = &mut object.backing {
            self.frames.unreserve(pages.take_unlisted());
            while !self.stay.is_over()
                && let Some(frame) = pages.pop()
            {
                match frame {
                    Some(frame) => self.frames.free(frame),
                    None => self.frames.unreserve(1),
                }
                self.stay.spend(cost::FREED_FRAME);
            }
            if !pages.is_empty() {
                return false;
            }
        }
        let ledger = object.ledger.take();
        if let Some(ledger) = ledger {
            object.refund_to(&mut self.ledgers[ledger]);
        }
        if matches!(object.backing, Backing::Anonymous(_)) {
            object.backing = Backing::Gone;
        }
        if let Some(ledger) = ledger {
            self.refund_object(ledger);
        }
        true
    }
}
