//! Making processes and threads. A thread's ring area is cleared in steps if one stay is too short for it.
use crate::Kernel;
use crate::authority::session::Session;
use crate::execution::process::{Process, State as ProcessState};
use crate::execution::schedule::account::{Account, Numbers};
use crate::execution::stay::cost;
use crate::execution::thread::{State, Thread};
use crate::heap::{OutOfHeap, Payer, make_room};
use crate::ipc::notification::Bits;
use crate::ipc::operation::Refusal;
use crate::ipc::ring::Ring;
use crate::ledger::{Exhausted, Ledger, Resource};
use crate::lifecycle::chore::Chore;
use crate::memory::Access;
use crate::memory::frame::{BATCH_FRAMES, FRAME_BYTES};
use crate::memory::range::Kind;
use crate::platform::{Platform, Registers, RingArea, Space};
use crate::slab::Id;
use alloc::vec::Vec;
use capos_abi::status;

impl<P: Platform> Kernel<P> {
    /// A process whose object was charged.
    pub(crate) fn new_process(
        &mut self,
        ledger: Id<Ledger>,
        session: Id<Session>,
        name: &str,
    ) -> Result<Id<Process>, Refusal> {
        self.prepare_chore()?;
        self.processes.prepare()?;
        let space = self.new_space(ledger)?;
        let process = self.processes.insert(Process::new(ledger, session, space, name))?;
        self.join_session(process, session);
        Ok(process)
    }

    /// Brings free frames at hand together in the map if it has none for such a ring area, as far as the stay allows; whether that
    /// was all. The cursor of the thread tells where it stopped.
    pub(crate) fn gather_ring_frames(&mut self, thread: Id<Thread>, ring_bytes: u32) -> bool {
        // What an entry that was given up has left there is an address.
        let cursor = core::mem::take(&mut self.threads[thread].cursor) as usize;
        let mut from = if cursor <= self.platform.processors() { cursor } else { 0 };
        while !self.frames.has_run(u64::from(ring_bytes) / FRAME_BYTES) {
            if self.stay.is_over() {
                self.threads[thread].cursor = from as u64;
                return false;
            }
            self.stay.spend(BATCH_FRAMES as u32 * cost::FREED_FRAME);
            let Some(reached) = self.frames.gather(from) else { return true };
            from = reached;
        }
        true
    }

    /// A thread with its ring mapped; it runs when its process does.
    pub(crate) fn new_thread(
        &mut self,
        ledger: Id<Ledger>,
        process: Id<Process>,
        registers: Registers,
        ring_bytes: u32,
    ) -> Result<Id<Thread>, Refusal> {
        if !self.processes[process].is_alive() {
            return Err(status::BAD_STATE.into());
        }
        let entry = &mut self.processes[process];
        make_room(
            &mut entry.threads,
            1,
            Payer { ledgers: &mut self.ledgers, ledger: entry.ledger, stay: &mut self.stay },
        )?;
        self.prepare_chore()?;
        let pages = u64::from(ring_bytes) / FRAME_BYTES;
        self.ledgers[ledger].charge(Resource::Threads, 1)?;
        let charged = self.ledgers[ledger].charge(Resource::Frames, pages).map_err(Refusal::from);
        let made = charged.and_then(|()| {
            self.place_thread(ledger, process, registers, ring_bytes)
                .inspect_err(|_| self.ledgers[ledger].refund(Resource::Frames, pages))
        });
        made.inspect_err(|_| self.ledgers[ledger].refund(Resource::Threads, 1))
    }

    /// Makes the thread that was charged: ring frames, mapping, context.
    fn place_thread(
        &mut self,
        ledger: Id<Ledger>,
        process: Id<Process>,
        mut registers: Registers,
        ring_bytes: u32,
    ) -> Result<Id<Thread>, Refusal> {
        let pages = u64::from(ring_bytes) / FRAME_BYTES;
        let address = self.processes[process].ranges.gap(u64::from(ring_bytes)).ok_or(status::BAD_ARGUMENT)?;
        self.prepare_ranges(process, address)?;
        self.spend_on_range(process);
        registers.ring_address = address;
        let frame = self.frames.allocate_contiguous(pages)?;
        let area = RingArea { frame, bytes: ring_bytes };
        let made = self
            .make_ring_tables(process, address, area)
            .and_then(|()| self.store_thread(ledger, process, registers, area));
        if made.is_err() {
            if let Some(space) = self.processes[process].space {
                self.unmap_pages(space, address, pages);
            }
            self.frames.free_contiguous(frame, pages);
        }
        made
    }

    /// Makes the page tables of a ring area: it is mapped without needing more.
    fn make_ring_tables(&mut self, process: Id<Process>, address: u64, area: RingArea) -> Result<(), Refusal> {
        let (mut at, end) = (address, address + u64::from(area.bytes));
        while at < end {
            at = self.make_tables(process, at, end)?;
        }
        Ok(())
    }

    fn store_thread(
        &mut self,
        ledger: Id<Ledger>,
        process: Id<Process>,
        registers: Registers,
        area: RingArea,
    ) -> Result<Id<Thread>, Refusal> {
        self.stay.spend(cost::THREAD);
        let processor = self.quietest_processor();
        let space = self.processes[process].space.ok_or(status::STALE)?;
        let thread = self.threads.insert(Thread {
            references: 1,
            process,
            place: self.processes[process].threads.len(),
            ledger,
            charged: true,
            state: State::Clearing,
            ring: Ring::new(area),
            ring_address: registers.ring_address,
            bits: Bits::default(),
            enter_deadline: 0,
            timer_set: false,
            has_work: false,
            cursor: 0,
            processor,
            account: Account::new(Numbers::ORDINARY),
            context: None,
            code: 0,
            fault: None,
            waiters: Vec::new(),
        })?;
        if let Err(refusal) = self.make_place_to_run(thread.index(), space, &registers) {
            self.threads.remove(thread);
            return Err(refusal);
        }
        self.ledgers[ledger].references += 1;
        let entry = &mut self.processes[process];
        entry.ranges.set(registers.ring_address, registers.ring_address + u64::from(area.bytes), Kind::Ring);
        entry.threads.push(thread);
        entry.live_threads += 1;
        if let Some(rest) = self.clear_ring(thread, 0) {
            self.chores.push(rest);
        }
        Ok(thread)
    }

    /// Makes room for a thread of this index wherever threads stand by their index.
    fn make_place_to_run(&mut self, index: u32, space: Space, registers: &Registers) -> Result<(), Refusal> {
        if index >= crate::MAX_THREADS {
            return Err(Exhausted::machine(Resource::Threads as u8, 1, 0).into());
        }
        let threads = index as usize + 1;
        self.timers.prepare(threads)?;
        self.scheduler.prepare(threads, self.platform.processors())?;
        let fits = self.platform.create_context(index, space, registers);
        if fits { Ok(()) } else { Err(OutOfHeap::of::<Thread>(1).into()) }
    }

    /// Clears and maps the ring area of a new thread from this page on, as far as the stay allows; then the thread may run.
    pub(crate) fn clear_ring(&mut self, id: Id<Thread>, first: u64) -> Option<Chore> {
        let entry = self.threads.get(id).filter(|thread| thread.state == State::Clearing)?;
        let (process, area, start) = (entry.process, entry.ring.area, entry.ring_address);
        for page in first..u64::from(area.bytes) / FRAME_BYTES {
            if self.stay.is_over() {
                return Some(Chore::Clear(id, page));
            }
            let frame = area.frame.offset(page);
            self.platform.zero_frame(frame);
            self.stay.spend(FRAME_BYTES as u32 / cost::BYTES_PER_INSTRUCTION + cost::MAPPING);
            // Its page tables were made with the thread.
            let _ = self.map_page(process, start + page * FRAME_BYTES, frame, Access::ReadWrite);
        }
        self.finish_ring(id);
        None
    }

    /// The ring area of a new thread is clear and mapped: the thread runs when its process does.
    fn finish_ring(&mut self, thread: Id<Thread>) {
        let entry = &mut self.threads[thread];
        self.platform.init_ring(entry.ring.area);
        entry.state = State::Created;
        if self.processes[entry.process].state == ProcessState::Running {
            self.wake(thread);
        }
    }
}
