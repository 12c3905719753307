//! The state of the kernel, and the doors through which the machine enters it.
use crate::authority::capability::{Capability, Object};
use crate::authority::grant::{self, Derived, Node};
use crate::authority::handle::SlotRef;
use crate::authority::session::Sessions;
use crate::execution::process::Process;
use crate::execution::schedule::{Next, Scheduler};
use crate::execution::stay::{Stay, cost};
use crate::execution::thread::Thread;
use crate::execution::timer::TimerQueue;
use crate::ipc::endpoint::Endpoint;
use crate::ipc::notification::Notification;
use crate::ipc::operation::Refusal;
use crate::ledger::{Ledger, Resource};
use crate::lifecycle::chore::Chores;
use crate::log::Log;
use crate::memory::MemoryObject;
use crate::memory::frame::FrameAllocator;
use crate::object::{InterruptTable, SchedulingContext};
use crate::platform::{ContextIndex, Platform};
use crate::slab::{Id, Slab};

/// The kernel heap is too small to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

/// Everything the kernel knows. One processor has it for itself, or several use what is lent of it ([`crate::SharedKernel`]).
pub struct Kernel<P> {
    /// The machine.
    pub platform: P,
    /// Free memory.
    pub frames: FrameAllocator,
    /// The processor that is inside the kernel.
    pub(crate) inside: Option<usize>,
    /// What is left of this stay.
    pub(crate) stay: Stay,
    /// What ended and is not put away yet.
    pub(crate) chores: Chores,
    /// Processes that end or are suspended: their threads must not go on.
    pub(crate) ending: u32,
    /// The process that supervises all others.
    pub(crate) init: Option<Id<Process>>,
    pub(crate) ledgers: Slab<Ledger>,
    pub(crate) processes: Slab<Process>,
    pub(crate) threads: Slab<Thread>,
    pub(crate) endpoints: Slab<Endpoint>,
    pub(crate) memory: Slab<MemoryObject>,
    pub(crate) notifications: Slab<Notification>,
    pub(crate) sessions: Sessions,
    pub(crate) contexts: Slab<SchedulingContext>,
    pub(crate) scheduler: Scheduler,
    pub(crate) timers: TimerQueue,
    pub(crate) interrupts: InterruptTable,
    pub(crate) log: Log,
    /// A chore shows the log on the console.
    pub(crate) is_showing: bool,
}

impl<P: Platform> Kernel<P> {
    /// A kernel without processes.
    pub fn new(mut platform: P, mut frames: FrameAllocator) -> Result<Self, OutOfMemory> {
        frames.prepare(platform.processors()).ok_or(OutOfMemory)?;
        let sessions = Sessions::new(&mut platform).map_err(|_| OutOfMemory)?;
        let mut chores = Chores::new();
        chores.reserve(1).map_err(|_| OutOfMemory)?;
        Ok(Self {
            sessions,
            platform,
            frames,
            inside: None,
            stay: Stay::default(),
            chores,
            ending: 0,
            init: None,
            ledgers: Slab::new(),
            processes: Slab::new(),
            threads: Slab::new(),
            endpoints: Slab::new(),
            memory: Slab::new(),
            notifications: Slab::new(),
            contexts: Slab::new(),
            scheduler: Scheduler::new().ok_or(OutOfMemory)?,
            timers: TimerQueue::new(),
            interrupts: InterruptTable::default(),
            log: Log::new().ok_or(OutOfMemory)?,
            is_showing: false,
        })
    }

    /// This processor's timer fired.
    pub fn timer(&mut self, processor: usize) -> Next {
        self.begin_stay(processor);
        let now = self.platform.now();
        self.timer_fired(processor);
        while !self.stay.is_over()
            && let Some(index) = self.timers.pop_expired(now)
        {
            self.stay.spend(cost::EXPIRY);
            if let Some(thread) = self.threads.id_at(index) {
                self.expire(thread, now);
            }
        }
        self.refill(now);
        if self.runnable(processor).is_some() {
            self.rotate(processor, now);
        }
        self.settle(processor)
    }

    /// Another processor asked this one to look again at what it runs.
    pub fn reschedule(&mut self, processor: usize) -> Next {
        self.begin_stay(processor);
        self.settle(processor)
    }

    /// The first eight bytes of the name of a thread's process, for the trace.
    pub fn process_label(&self, context: ContextIndex) -> u64 {
        let thread = self.threads.id_at(context).and_then(|id| self.threads.get(id));
        let name = thread.and_then(|t| self.processes.get(t.process)).map(Process::name_bytes);
        name.and_then(|n| n.first_chunk()).map_or(0, |label| u64::from_le_bytes(*label))
    }

    /// Appends a line of the kernel's own to the log, and to the console while the kernel owns it.
    pub fn log_line(&mut self, text: &str) {
        self.append_log("kernel", text);
    }

    // Grants: every change of a handle table goes through these.

    /// Pays for `count` more handles of a process and sets their slots aside.
    pub(crate) fn reserve_handles(&mut self, process: Id<Process>, count: u32) -> Result<(), Refusal> {
        let process = &mut self.processes[process];
        let slots = process.handles.len();
        process.reserve_handles(&mut self.ledgers[process.ledger], count)?;
        self.stay.spend((process.handles.len() - slots) * cost::PLACE);
        Ok(())
    }

    /// Gives reserved handles back.
    pub(crate) fn unreserve_handles(&mut self, process: Id<Process>, count: u32) {
        let process = &mut self.processes[process];
        process.unreserve_handles(&mut self.ledgers[process.ledger], count);
    }

    /// Puts a new capability, derived from none, into a reserved slot.
    pub(crate) fn insert_root(&mut self, process: Id<Process>, capability: Capability) -> SlotRef {
        self.retain(capability.object);
        let handles = &mut self.processes[process].handles;
        let index = handles.insert_reserved(capability);
        SlotRef { process, index }
    }

    /// Puts a capability derived from the one in `parent` into a reserved slot of `process`.
    pub(crate) fn insert_derived(&mut self, parent: SlotRef, process: Id<Process>, capability: Capability) -> SlotRef {
        let child = self.insert_root(process, capability);
        grant::insert_first(&mut self.processes, parent, child);
        child
    }

    /// The handle of a slot.
    pub(crate) fn handle_of(&self, slot: SlotRef) -> u64 {
        self.processes[slot.process].handles.handle_of(slot.index)
    }

    /// Empties a slot: its descendants fall to its parent, and the object goes with its last reference.
    pub(crate) fn release_slot(&mut self, slot: SlotRef) {
        let process = &self.processes[slot.process];
        let ledger = process.ledger;
        if process.handles.slot(slot.index).is_none_or(|s| s.capability().is_none()) {
            return;
        }
        self.remove_origin(slot);
        let lonely_root = grant::unlink(&mut self.processes, slot.into());
        let removed = self.processes[slot.process].handles.remove(slot.index);
        self.ledgers[ledger].refund(Resource::Handles, 1);
        if let Some(Derived::Slot(root)) = lonely_root.map(Node::derived) {
            self.notice_unreferenced(root);
        }
        if let Some(capability) = removed {
            self.release(capability.object);
        }
    }

    /// Counts a reference to an object.
    pub(crate) fn retain(&mut self, object: Object) {
        match object {
            Object::Ledger(id) => self.ledgers[id].references += 1,
            Object::Process(id) | Object::VirtualMemory(id) | Object::Handles(id) => self.processes[id].references += 1,
            Object::Scheduling(id) => self.contexts[id].references += 1,
            Object::Faults(id) => {
                self.processes[id].references += 1;
                self.processes[id].handlers += 1;
            }
            Object::Thread(id) => self.threads[id].references += 1,
            Object::Memory(id) => self.memory[id].references += 1,
            Object::Endpoint(id) => {
                let endpoint = &mut self.endpoints[id];
                endpoint.references += 1;
                endpoint.owners += u32::from(endpoint.ledger.is_some());
            }
            Object::Served(served) => self.endpoints[served.endpoint].references += 1,
            Object::Notification(id) => self.notifications[id].references += 1,
            Object::Interrupt(line) => self.interrupts.retain(line),
            Object::Session(id) => self.sessions[id].references += 1,
            Object::SessionControl(id) => {
                self.sessions[id].references += 1;
                self.sessions[id].controls += 1;
            }
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
}
