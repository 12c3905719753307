//! Revocation: what was derived from a capability ends, in every process.
//!
//! Parents go before their children: the first child is taken out, its own children come into its place, and so on. With a slot
//! end the operations that use it; what was mapped with it is among its children. So nothing derived succeeds once the last is
//! gone. What the holder of the revoked capability has mapped with it stays, as the capability itself does.
use crate::Kernel;
use crate::authority::capability::Object;
use crate::authority::grant::{self, Derived};
use crate::authority::handle::{Lock, SlotRef};
use crate::execution::process::Process;
use crate::execution::stay::cost;
use crate::execution::thread::Thread;
use crate::ipc::record::Waiter;
use crate::platform::Platform;
use crate::slab::Id;
use capos_abi::handle::Handle;
use capos_abi::status;

/// How far a search through pending operations has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Next place of the table of threads.
    thread: u32,
    /// Next tag of the thread there.
    tag: u16,
}

impl Progress {
    const START: Self = Self { thread: 0, tag: 0 };
}

/// Pending operations of a process that use a handle, and how far the search for them has come.
#[derive(Clone, Copy)]
pub struct Uses {
    process: Id<Process>,
    handle: Handle,
    /// One that is not meant.
    but: Option<Waiter>,
    progress: Progress,
}

impl Uses {
    /// What a process still does with a capability that has moved, but for the call that carried it.
    pub fn of_moved(process: Id<Process>, handle: Handle, carrier: Option<Waiter>) -> Self {
        Self { process, handle, but: carrier, progress: Progress::START }
    }
}

impl<P: Platform> Kernel<P> {
    /// Takes capabilities back that are derived from this one, as far as the stay allows; whether none is left.
    pub(crate) fn revoke_step(&mut self, slot: SlotRef) -> bool {
        while let Some(child) = grant::first_child(&mut self.processes, slot) {
            if self.stay.is_over() {
                return false;
            }
            let ended = match child.derived() {
                Derived::Slot(child) => self.end_slot(child),
                // Those behind it are its holder's own, too.
                Derived::Mapping(process, place) if self.is_mapped_with(process, place, slot) => return true,
                Derived::Mapping(process, place) => self.end_mapping(process, place),
            };
            if !ended {
                return false;
            }
        }
        true
    }

    /// Ends what a capability is used for, and takes it away; what was derived from it comes in its place. False: not yet.
    fn end_slot(&mut self, slot: SlotRef) -> bool {
        self.stay.spend(cost::SLOT);
        if !self.end_uses(slot) {
            return false;
        }
        self.unbind_interrupt(slot);
        self.release_slot(slot);
        true
    }

    /// Locks a capability and ends the operations that use it, as far as the stay allows; whether none is left.
    fn end_uses(&mut self, slot: SlotRef) -> bool {
        let handle = self.handle_of(slot);
        let Some(entry) = self.processes[slot.process].handles.slot_mut(slot.index) else { return true };
        let mut uses = Uses { process: slot.process, handle, but: None, progress: Progress::START };
        match entry.lock {
            Lock::Revoked(progress) => uses.progress = progress,
            Lock::Open | Lock::Moving => entry.lock = Lock::Revoked(Progress::START),
        }
        let done = self.end_operations(&mut uses);
        if let Some(entry) = self.processes[slot.process].handles.slot_mut(slot.index) {
            entry.lock = Lock::Revoked(uses.progress);
        }
        done
    }

    /// Ends pending operations, as far as the stay allows; whether none is left.
    pub(crate) fn end_operations(&mut self, uses: &mut Uses) -> bool {
        while uses.progress.thread < self.threads.slots() {
            if self.stay.is_over() {
                return false;
            }
            self.stay.spend(cost::PLACE);
            let thread = self.threads.id_at(uses.progress.thread);
            if let Some(thread) = thread.filter(|&id| self.threads[id].process == uses.process)
                && !self.end_operations_of(thread, uses)
            {
                return false;
            }
            uses.progress = Progress { thread: uses.progress.thread + 1, tag: 0 };
        }
        true
    }

    fn end_operations_of(&mut self, thread: Id<Thread>, uses: &mut Uses) -> bool {
        let (handle, but) = (uses.handle, uses.but.filter(|but| but.thread == thread).map(|but| but.tag));
        while let Some(tag) = self.next_operation(thread, uses.progress.tag, |record| record.handle() == handle) {
            uses.progress.tag = tag;
            if self.stay.is_over() {
                return false;
            }
            if but != Some(tag) && !self.abort(Waiter { thread, tag }, status::STALE) {
                return false;
            }
            uses.progress.tag = tag + 1;
        }
        true
    }

    /// Masks and unbinds an interrupt line that was bound with this capability.
    fn unbind_interrupt(&mut self, slot: SlotRef) {
        let Some(held) = self.processes[slot.process].handles.slot(slot.index) else { return };
        if let Some(Object::Interrupt(line)) = held.capability().map(|c| c.object) {
            let handle = self.handle_of(slot);
            self.unbind_line(line, (slot.process, handle));
        }
    }
}
