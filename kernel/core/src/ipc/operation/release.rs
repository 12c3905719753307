//! RELEASE: gives a handle up; and the notice to the minter of an origin that nobody refers to any more.
use super::{Done, Refusal, Step};
use crate::Kernel;
use crate::authority::capability::Object;
use crate::authority::grant;
use crate::authority::handle::SlotRef;
use crate::execution::stay::cost;
use crate::execution::thread::{State, Thread};
use crate::heap::{Payer, make_room};
use crate::ipc::endpoint::Endpoint;
use crate::ipc::record::{Record, Waiter};
use crate::platform::Platform;
use crate::slab::Id;
use capos_abi::ring::{Completion, RECEIVE_HEADROOM, Submission, flag, kind};
use capos_abi::status;

impl<P: Platform> Kernel<P> {
    #[inline(never)]
    pub(super) fn release_handle(&mut self, thread: Id<Thread>, entry: &Submission) -> Result<Step, Refusal> {
        Self::check_flags(entry, flag::QUIET | flag::IF_UNREFERENCED)?;
        let process = self.threads[thread].process;
        let index = self.processes[process].handles.index_of(entry.handle).ok_or(status::STALE)?;
        let slot = SlotRef { process, index };
        if entry.flags & flag::IF_UNREFERENCED != 0 && grant::first_child(&mut self.processes, slot).is_some() {
            return Err(status::BAD_STATE.into());
        }
        self.stay.spend(cost::SLOT);
        self.release_slot(slot);
        Ok(Step::Done(Done::default()))
    }

    /// The last capability derived from a root is gone: its minter learns of it if the root is an origin.
    pub(crate) fn origin_unreferenced(&mut self, root: SlotRef) {
        let Some(slot) = self.processes[root.process].handles.slot_mut(root.index) else { return };
        let Some(Object::Served(served)) = slot.capability().map(|c| c.object) else { return };
        if slot.unreferenced || served.minter.is_none() {
            return;
        }
        let endpoint = &mut self.endpoints[served.endpoint];
        let Some(ledger) = endpoint.ledger else { return };
        // Who has no room for a notice gets none.
        if make_room(&mut endpoint.unreferenced, 1, Payer { ledgers: &mut self.ledgers, ledger }).is_err() {
            return;
        }
        slot.unreferenced = true;
        endpoint.unreferenced.push(root);
        self.tell_receivers(served.endpoint);
        let waiting = self.endpoints[served.endpoint].receivers.iter().copied().find(|r| {
            self.threads[r.thread].process == root.process && matches!(self.threads[r.thread].state, State::Blocked(_))
        });
        if let Some(receiver) = waiting {
            self.pull_notice(served.endpoint, receiver);
        }
    }

    /// A slot is about to be emptied: a notice about it would name nothing.
    pub(crate) fn withdraw_notice(&mut self, root: SlotRef) {
        let Some(slot) = self.processes[root.process].handles.slot_mut(root.index) else { return };
        if let (true, Some(Object::Served(served))) = (slot.unreferenced, slot.capability().map(|c| c.object)) {
            self.endpoints[served.endpoint].unreferenced.retain(|n| *n != root);
        }
    }

    /// Posts one notice of an unreferenced origin, if this receiver's process minted one and its ring has room.
    pub(crate) fn pull_notice(&mut self, endpoint: Id<Endpoint>, receiver: Waiter) -> bool {
        let process = self.threads[receiver.thread].process;
        let notices = &self.endpoints[endpoint].unreferenced;
        let Some(at) = notices.iter().position(|n| n.process == process) else { return false };
        let ring = &mut self.threads[receiver.thread].ring;
        if ring.positions.free_completions() <= RECEIVE_HEADROOM || !ring.positions.reserve(1) {
            return false;
        }
        let root = self.endpoints[endpoint].unreferenced.swap_remove(at);
        if let Some(slot) = self.processes[process].handles.slot_mut(root.index) {
            slot.unreferenced = false;
        }
        let Record::Receive(receive) = self.threads[receiver.thread].ring.record(receiver.tag) else { return false };
        let notice = Completion {
            user_data: receive.user_data,
            kind: kind::UNREFERENCED,
            tag: receiver.tag,
            value: self.handle_of(root),
            ..Completion::default()
        };
        self.complete(receiver.thread, &notice);
        true
    }
}
