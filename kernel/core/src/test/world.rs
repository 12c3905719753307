//! A system of processes for tests: each thread's user side is driven by hand.
use super::machine::Machine;
use crate::Kernel;
use crate::authority::capability::{Capability, Object};
use crate::authority::handle::SlotRef;
use crate::execution::process::Process;
use crate::execution::thread::{State, Thread};
use crate::execution::trap::FaultAccess;
use crate::ledger::{Amounts, Ledger, RESOURCES, Resource};
use crate::memory::frame::{Frame, FrameAllocator};
use crate::platform::{Platform, Registers, RingArea};
use crate::slab::{Id, Slab};
use capos_abi::interface::{self, virtual_memory};
use capos_abi::message::mode;
use capos_abi::ring::{COMPLETION_ENTRIES, Completion, SUBMISSION_ENTRIES, Submission, op};
use capos_abi::status;

pub struct World {
    pub kernel: Kernel<Machine>,
    pub root: Id<Ledger>,
}

/// A process with one running thread and the handles it was given.
#[derive(Clone, Copy)]
pub struct Actor {
    pub process: Id<Process>,
    pub thread: Id<Thread>,
    pub area: RingArea,
}

/// Marks the completions of [`World::call_kernel`].
const CALL_MARK: u64 = 0xca11;

pub const PLENTY: Amounts = Amounts::new([2000, 500, 200, 16]);

/// A ledger that allows whatever is asked of it.
pub fn endless_ledger() -> (Slab<Ledger>, Id<Ledger>) {
    let mut ledgers = Slab::new();
    let ledger = Ledger::root(&mut ledgers, Amounts([u64::MAX; RESOURCES])).expect("heap");
    (ledgers, ledger)
}

impl World {
    pub fn new() -> Self {
        Self::with_frames(16_384)
    }

    /// A machine with so many frames, of which its root ledger can give most away.
    pub fn with_frames(count: u64) -> Self {
        let mut frames = FrameAllocator::new(Frame(count)).expect("bitmap");
        frames.add(Frame(1), count - 1);
        let machine = Machine { processors: 8, ..Machine::default() };
        let mut kernel = Kernel::new(machine, frames).expect("heap");
        let limits = Amounts::new([count - 384, 1 << 16, 1 << 16, 4096]);
        let root = Ledger::root(&mut kernel.ledgers, limits).expect("heap");
        Self { kernel, root }
    }

    /// A running process that pays from its own ledger with these limits.
    pub fn actor(&mut self, name: &str, limits: Amounts) -> Actor {
        let k = &mut self.kernel;
        k.ledgers[self.root].charge(Resource::Objects, 1).expect("room");
        let ledger = Ledger::child(&mut k.ledgers, self.root, limits).expect("room");
        k.ledgers[ledger].charge(Resource::Objects, 1).expect("room");
        k.ledgers[ledger].references += 1;
        let process = k.new_process(ledger, k.sessions.system, name).expect("process");
        let registers = Registers { entry: 0x20_0000, ..Registers::default() };
        let thread = k.new_thread(ledger, process, registers, 64 << 10).expect("thread");
        k.begin_process(process);
        for processor in 0..k.platform.processors() {
            let _ = k.reschedule(processor);
        }
        Actor { process, thread, area: k.threads[thread].ring.area }
    }

    /// Gives an actor a capability that nobody else holds.
    pub fn give(&mut self, actor: Actor, object: Object, interface: u64) -> u64 {
        self.kernel.reserve_handles(actor.process, 1).expect("room");
        let slot = self.kernel.insert_root(actor.process, Capability::new(object, interface));
        self.kernel.handle_of(slot)
    }

    /// Gives an actor a copy of what another one holds.
    pub fn copy(&mut self, from: Actor, handle: u64, to: Actor) -> u64 {
        let handles = &self.kernel.processes[from.process].handles;
        let (index, capability) = (handles.index_of(handle).expect("handle"), *handles.get(handle).expect("handle"));
        self.kernel.reserve_handles(to.process, 1).expect("room");
        let slot = self.kernel.insert_derived(SlotRef { process: from.process, index }, to.process, capability);
        self.kernel.handle_of(slot)
    }

    /// The actor's own ledger, as a capability.
    pub fn ledger(&mut self, actor: Actor) -> u64 {
        let ledger = self.kernel.processes[actor.process].ledger;
        self.give(actor, Object::Ledger(ledger), interface::ledger::ID)
    }

    pub fn submit(&mut self, actor: Actor, entry: Submission) {
        let mut ring = self.kernel.platform.ring(actor.area);
        let place = ring.submission_tail % SUBMISSION_ENTRIES;
        ring.submissions[place as usize] = entry;
        ring.submission_tail = ring.submission_tail.wrapping_add(1);
    }

    /// Lets the actor enter the kernel; the processors that were interrupted look at what they run.
    pub fn enter(&mut self, actor: Actor, min_complete: u32) {
        loop {
            let processor = self.schedule(actor);
            let _ = self.kernel.enter(processor, min_complete, 0);
            self.check_translations();
            self.settle();
            if !self.kernel.platform.takes_again(actor.thread.index()) {
                return;
            }
        }
    }

    pub fn settle(&mut self) {
        while !self.kernel.chores.is_empty() || self.kernel.platform.has_interrupted() {
            self.stay();
        }
    }

    /// One stay of a processor that was interrupted, or else of the first one.
    pub fn stay(&mut self) {
        let processor = self.kernel.platform.take_interrupted().unwrap_or(0);
        let _ = self.kernel.reschedule(processor);
        self.check_translations();
    }

    /// No processor leaves the kernel while one holds a translation that is not true any more.
    fn check_translations(&self) {
        let stale = &self.kernel.platform.stale;
        assert!(stale.is_empty(), "stale translations: {stale:x?}");
    }

    /// The processor that the actor runs on; it is brought onto one if it is ready.
    fn schedule(&mut self, actor: Actor) -> usize {
        for _ in 0..64 {
            match self.kernel.threads[actor.thread].state {
                State::Running(processor) => return processor,
                State::Ready => {
                    self.kernel.platform.now += 10_000_000;
                    for processor in 0..self.kernel.platform.processors() {
                        let _ = self.kernel.timer(processor);
                    }
                }
                other => panic!("the actor cannot run: {other:?}"),
            }
        }
        panic!("the actor is never scheduled");
    }

    /// All unread completions.
    pub fn completions(&mut self, actor: Actor) -> Vec<Completion> {
        let mut ring = self.kernel.platform.ring(actor.area);
        let mut read = Vec::new();
        while ring.completion_head != ring.completion_tail {
            read.push(ring.completions[(ring.completion_head % COMPLETION_ENTRIES) as usize]);
            ring.completion_head = ring.completion_head.wrapping_add(1);
        }
        read
    }

    /// Submits one entry, enters without waiting, and returns what completed.
    pub fn run(&mut self, actor: Actor, entry: Submission) -> Vec<Completion> {
        self.submit(actor, entry);
        self.enter(actor, 0);
        self.completions(actor)
    }

    pub fn write(&mut self, actor: Actor, offset: u32, words: &[u64]) {
        self.kernel.platform.write_arena(actor.area, offset, words);
    }

    pub fn read(&self, actor: Actor, offset: u32, count: usize) -> Vec<u64> {
        let mut words = vec![0; count];
        self.kernel.platform.read_arena(actor.area, offset, &mut words);
        words
    }

    /// Maps the beginning of a memory object; the address, or why not.
    pub fn map(&mut self, actor: Actor, object: u64, bytes: u64, access: u16) -> Result<u64, i32> {
        let space = self.give(actor, Object::VirtualMemory(actor.process), virtual_memory::ID);
        self.map_at(actor, space, object, 0, bytes, access)
    }

    /// As [`Self::map`], at this address, with a capability to the actor's addresses.
    pub fn map_at(
        &mut self,
        actor: Actor,
        space: u64,
        object: u64,
        address: u64,
        bytes: u64,
        access: u16,
    ) -> Result<u64, i32> {
        // Data words of `map`: offset, bytes, address, access.
        let data = [0, bytes, address, access.into()];
        let method = virtual_memory::map::METHOD;
        let (done, words) = self.call_with(actor, space, virtual_memory::ID, method, object, &data);
        if done.status == status::OK { Ok(words[1]) } else { Err(done.status) }
    }

    /// The actor writes to an address for the first time.
    pub fn touch(&mut self, actor: Actor, address: u64) {
        let State::Running(processor) = self.kernel.threads[actor.thread].state else { panic!("not running") };
        let _ = self.kernel.page_fault(processor, address, FaultAccess::Write, false, 0);
    }

    /// Calls a kernel object with data words only; returns the completion and the result's words.
    pub fn call_kernel(
        &mut self,
        actor: Actor,
        handle: u64,
        interface: u64,
        method: u16,
        data: &[u64],
    ) -> (Completion, Vec<u64>) {
        let mut message = vec![(data.len() as u64) << 32];
        message.extend_from_slice(data);
        self.call_kernel_by(
            actor,
            Submission { caps: 0x40, handle, interface, method, ..Submission::default() },
            &message,
        )
    }

    /// As [`Self::call_kernel`], with a copy of a capability as the method's pointer.
    pub fn call_with(
        &mut self,
        actor: Actor,
        handle: u64,
        interface: u64,
        method: u16,
        capability: u64,
        data: &[u64],
    ) -> (Completion, Vec<u64>) {
        let mut message = vec![capability, mode::COPY, (data.len() as u64) << 32 | 1 << 48];
        message.extend_from_slice(data);
        message.push(3);
        self.call_kernel_by(
            actor,
            Submission { caps: 0x41, handle, interface, method, ..Submission::default() },
            &message,
        )
    }

    fn call_kernel_by(&mut self, actor: Actor, entry: Submission, message: &[u64]) -> (Completion, Vec<u64>) {
        self.write(actor, 0, message);
        let entry = Submission {
            op: op::CALL,
            user_data: CALL_MARK,
            message_bytes: size_of_val(message) as u32,
            result_offset: 1024,
            result_bytes: 1024,
            ..entry
        };
        let mut completions = self.run(actor, entry);
        completions.retain(|c| c.user_data == CALL_MARK);
        let [completion] = completions[..] else { panic!("one completion, not {completions:?}") };
        let words = if completion.status == status::OK { completion.bytes as usize / 8 } else { 0 };
        (completion, self.read(actor, 1024, words))
    }

    /// What the root ledger has given away, and the frames in use.
    pub fn footprint(&self) -> (Amounts, u64, u32) {
        let k = &self.kernel;
        (*k.ledgers[self.root].used(), k.frames.free_frames(), k.processes.len())
    }
}
