//! Making processes and threads.
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
use crate::memory::frame::FRAME_BYTES;
use crate::memory::range::Kind;
use crate::platform::{Platform, Registers, Space};
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

    /// A thread with a ring; it runs when its process does.
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
        let made = self
            .make_ring_tables(process, address, ring_bytes)
            .and_then(|()| self.store_thread(ledger, process, registers, Ring::new(frame, ring_bytes)));
        if made.is_err() {
            self.frames.free_contiguous(frame, pages);
        }
        made
    }

    fn store_thread(
        &mut self,
        ledger: Id<Ledger>,
        process: Id<Process>,
        registers: Registers,
        ring: Ring,
    ) -> Result<Id<Thread>, Refusal> {
        self.stay.spend(cost::THREAD);
        let processor = self.quietest_processor();
        let space = self.processes[process].space.ok_or(status::STALE)?;
        let ring_end = registers.ring_address + u64::from(ring.area_bytes);
        let thread = self.threads.insert(Thread {
            references: 1,
            process,
            place: self.processes[process].threads.len(),
            ledger,
            charged: true,
            state: State::Created,
            ring,
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
        entry.ranges.set(registers.ring_address, ring_end, Kind::Ring(thread));
        entry.threads.push(thread);
        entry.live_threads += 1;
        self.begin_ring(thread);
        if self.processes[process].state == ProcessState::Running {
            self.wake(thread);
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
}
