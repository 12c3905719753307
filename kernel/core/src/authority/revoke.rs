//! Revocation: what was derived from a capability ends, in every process.
//!
//! Parents go before their children: the first child is taken out, its own children come into its place, and so on. With a slot
//! end the operations that use it and the mappings made with it, so nothing derived succeeds once the last slot is gone.
use crate::Kernel;
use crate::authority::capability::Object;
use crate::authority::grant;
use crate::authority::handle::SlotRef;
use crate::execution::process::Process;
use crate::execution::stay::cost;
use crate::ipc::record::Waiter;
use crate::memory::MemoryObject;
use crate::memory::range::{Kind, Range};
use crate::platform::Platform;
use crate::slab::Id;
use capos_abi::handle::Handle;
use capos_abi::status;

impl<P: Platform> Kernel<P> {
    /// Takes capabilities back that are derived from this one, as far as the stay allows; whether none is left.
    pub(crate) fn revoke_step(&mut self, slot: SlotRef) -> bool {
        while let Some(child) = grant::first_child(&mut self.processes, slot) {
            if self.stay.is_over() {
                return false;
            }
            self.stay.spend(cost::SLOT);
            self.end_operations(child.process, self.handle_of(child), None);
            if self.end_mappings(child).is_none() {
                return false;
            }
            self.unbind_interrupt(child);
            self.release_slot(child);
        }
        true
    }

    /// Ends the pending operations of a process that use this handle, all but one.
    pub(crate) fn end_operations(&mut self, process: Id<Process>, handle: Handle, but: Option<Waiter>) {
        for i in 0..self.processes[process].threads.len() {
            let Some(&thread) = self.processes[process].threads.get(i) else { continue };
            let tags = self.threads[thread].ring.tags();
            self.stay.spend(u32::from(tags.end) * cost::RECORD);
            for tag in tags {
                let operation = Waiter { thread, tag };
                if self.threads[thread].ring.record(tag).handle() == handle && but != Some(operation) {
                    self.abort(operation, status::STALE);
                }
            }
        }
    }

    /// Unmaps what was mapped with this capability, in whatever process; `None`: something is left for the next stay.
    fn end_mappings(&mut self, slot: SlotRef) -> Option<()> {
        let held = self.processes[slot.process].handles.slot(slot.index)?;
        let Some(Object::Memory(object)) = held.capability().map(|c| c.object) else { return Some(()) };
        let handle = self.handle_of(slot);
        for index in 0..self.processes.slots() {
            let Some(process) = self.processes.id_at(index) else { continue };
            while let Some(range) = self.mapping_of(process, object, slot.process, handle) {
                if !self.vacate(process, &range) {
                    return None;
                }
            }
        }
        Some(())
    }

    /// A capability goes by itself: the mappings made with it now belong to the one that it was derived from.
    pub(crate) fn inherit_mappings(&mut self, slot: SlotRef) {
        if self.is_memory(slot) {
            let parent = grant::parent(&mut self.processes, slot);
            self.reattribute_mappings(slot, parent);
        }
    }

    /// Mappings made with one capability now belong to another one.
    pub(crate) fn reattribute_mappings(&mut self, from: SlotRef, to: Option<SlotRef>) {
        let old = (from.process, self.handle_of(from));
        let new = to.map(|slot| (slot.process, self.handle_of(slot)));
        for index in 0..self.processes.slots() {
            let Some(process) = self.processes.id_at(index) else { continue };
            for range in self.processes[process].ranges.iter_mut() {
                if let Kind::Mapped { granted, .. } = &mut range.kind
                    && *granted == Some(old)
                {
                    *granted = new;
                }
            }
        }
    }

    fn is_memory(&self, slot: SlotRef) -> bool {
        let held = self.processes[slot.process].handles.slot(slot.index).and_then(|s| s.capability());
        matches!(held.map(|c| c.object), Some(Object::Memory(_)))
    }

    fn mapping_of(&self, at: Id<Process>, of: Id<MemoryObject>, holder: Id<Process>, by: Handle) -> Option<Range> {
        let found = self.processes[at].ranges.iter().find(|r| {
            matches!(r.kind, Kind::Mapped { object, granted: Some(grant), held: false, .. } if object == of && grant == (holder, by))
        });
        found.copied()
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
