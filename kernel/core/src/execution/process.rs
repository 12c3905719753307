//! Processes: an address space, a handle table, threads, and who pays.
use crate::authority::handle::HandleTable;
use crate::authority::session::Session;
use crate::execution::thread::Thread;
use crate::execution::trap::Fault;
use crate::heap;
use crate::ipc::operation::Refusal;
use crate::ipc::record::Waiter;
use crate::ledger::{Ledger, Resource};
use crate::lifecycle::fault::Crash;
use crate::lifecycle::open_fault::OpenFaults;
use crate::memory::frame::Frame;
use crate::memory::hold::Holds;
use crate::memory::mapping::Mappings;
use crate::memory::range::RangeMap;
use crate::platform::Space;
use crate::slab::Id;
use alloc::vec::Vec;

/// Bytes of a process's name at most.
pub const NAME_BYTES: usize = 32;

/// What a process is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Being filled by its spawner.
    Created,
    /// Its threads may run.
    Running,
    /// Its threads stand still.
    Suspended,
    /// Its threads are being stopped; `Outcome` is what it will have ended with.
    Ending(Outcome),
    /// Nothing of it is left but this.
    Ended(Outcome),
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// By itself.
    Exited(i32),
    /// By the holder of its capability.
    Killed,
    /// By a fault that nobody handles.
    Faulted(Fault),
}

/// One process.
pub struct Process {
    /// Slots that refer to it, plus one while it has not ended.
    pub references: u32,
    /// What it is doing.
    pub state: State,
    /// On whose behalf it acts.
    pub session: Id<Session>,
    /// That session has ended.
    pub session_ended: bool,
    /// Who pays for it.
    pub ledger: Id<Ledger>,
    /// Whether its ledger still pays: not once that was reclaimed.
    pub charged: bool,
    /// Its capabilities.
    pub handles: HandleTable,
    /// Its page tables; gone once it has ended.
    pub space: Option<Space>,
    /// Its page tables, each of which its ledger pays for; the root first.
    pub tables: Vec<Frame>,
    /// What its addresses stand for.
    pub ranges: RangeMap,
    /// What was mapped there with which capability.
    pub mappings: Mappings,
    /// Its threads that have not ended.
    pub threads: Vec<Id<Thread>>,
    /// So many of them, from the first on, are still to be suspended or woken.
    pub walk: usize,
    /// A chore wakes them.
    pub is_waking: bool,
    /// Those of them that have not been stopped.
    pub live_threads: u32,
    /// Whether it has no live threads and is only put away.
    pub is_finished: bool,
    /// Exit code of the thread that ended last.
    pub last_code: i32,
    /// Calls of `wait`.
    pub waiters: Vec<Waiter>,
    /// Capabilities to the handler of its faults, and calls of `next`.
    pub handlers: u32,
    /// Calls of `next`.
    pub fault_waiters: Vec<Waiter>,
    /// Faults of its threads that wait for the handler.
    pub open_faults: OpenFaults,
    /// How it crashed.
    pub crash: Option<Crash>,
    /// Memory objects that it holds.
    pub holds: Holds,
    name: [u8; NAME_BYTES],
    name_bytes: u8,
}

impl Process {
    /// A process without threads.
    pub fn new(ledger: Id<Ledger>, session: Id<Session>, (space, tables): (Space, Vec<Frame>), name: &str) -> Self {
        let mut process = Self {
            references: 1,
            state: State::Created,
            session,
            session_ended: false,
            ledger,
            charged: true,
            handles: HandleTable::new(),
            space: Some(space),
            tables,
            ranges: RangeMap::new(),
            mappings: Mappings::new(),
            threads: Vec::new(),
            walk: 0,
            is_waking: false,
            live_threads: 0,
            is_finished: false,
            last_code: 0,
            waiters: Vec::new(),
            handlers: 0,
            fault_waiters: Vec::new(),
            open_faults: OpenFaults::NONE,
            crash: None,
            holds: Holds::new(),
            name: [0; NAME_BYTES],
            name_bytes: 0,
        };
        for (to, from) in process.name.iter_mut().zip(name.bytes()) {
            *to = from;
            process.name_bytes += 1;
        }
        process
    }

    /// Its name.
    pub fn name(&self) -> &str {
        core::str::from_utf8(self.name.get(..usize::from(self.name_bytes)).unwrap_or_default()).unwrap_or("?")
    }

    /// Its name, padded with zero bytes.
    pub fn name_bytes(&self) -> &[u8; NAME_BYTES] {
        &self.name
    }

    /// Gives some of the memory of an empty address map and of what was held back; whether there is more.
    pub fn free_maps(&mut self, ledger: &mut Ledger) -> bool {
        self.ranges.free_some(ledger) || self.holds.free_some(ledger)
    }

    /// Gives the memory of what else has ended back: handles, page tables, threads.
    pub fn free_lists(&mut self, ledger: &mut Ledger) {
        self.handles.free(ledger);
        self.mappings.free(ledger);
        heap::free(&mut self.tables, ledger);
        heap::free(&mut self.threads, ledger);
    }

    /// Gives the memory of the lists of those who wait back. Nobody does any more.
    pub fn free_waiters(&mut self, ledger: &mut Ledger) {
        heap::free(&mut self.waiters, ledger);
        heap::free(&mut self.fault_waiters, ledger);
    }

    /// Gives the memory of its crash record back.
    pub fn free_record(&mut self, ledger: &mut Ledger) {
        if let Some(crash) = &mut self.crash {
            crash.words.clear();
            heap::free(&mut crash.words, ledger);
        }
    }

    /// Bytes of the kernel's heap that it holds, its own record aside.
    pub fn held(&self) -> u64 {
        let lists = heap::held(&self.tables) + heap::held(&self.threads) + self.holds.held();
        let waiters = heap::held(&self.waiters) + heap::held(&self.fault_waiters);
        let crash = self.crash.as_ref().map_or(0, |crash| heap::held(&crash.words));
        self.handles.held() + self.ranges.held() + self.mappings.held() + lists + waiters + crash
    }

    /// Whether nothing of it is left but its record and how it crashed.
    pub fn is_put_away(&self) -> bool {
        let crash = self.crash.as_ref().map_or(0, |crash| heap::held(&crash.words));
        matches!(self.state, State::Ended(_)) && self.held() == crash
    }

    /// Pays for `count` more handles from its ledger and sets their slots aside.
    pub fn reserve_handles(&mut self, ledger: &mut Ledger, count: u32) -> Result<(), Refusal> {
        ledger.charge(Resource::Handles, u64::from(count))?;
        let reserved = self.handles.reserve(count, ledger);
        reserved.inspect_err(|_| ledger.refund(Resource::Handles, u64::from(count)))
    }

    /// Gives reserved handles back.
    pub fn unreserve_handles(&mut self, ledger: &mut Ledger, count: u32) {
        self.handles.unreserve(count);
        ledger.refund(Resource::Handles, u64::from(count));
    }

    /// Whether it has not begun to end.
    pub fn is_alive(&self) -> bool {
        matches!(self.state, State::Created | State::Running | State::Suspended)
    }
}
