//! CALL beside other processors: to `Null`, and to a served object whose server waits for it.
use super::Visit;
use crate::authority::capability::Object;
use crate::authority::session::{Identity, NO_REFERENCE};
use crate::execution::process::Process;
use crate::execution::schedule::shared::Destination;
use crate::execution::thread::{State, Thread};
use crate::ipc::endpoint::Endpoint;
use crate::ipc::operation::Step;
use crate::ipc::operation::call::{ServedCall, message_range, result_range, segment_of};
use crate::ipc::operation::deliver::{Parcel, accept, free_slot};
use crate::ipc::record::{CallState, Record, Waiter};
use crate::object::{KernelCall, null};
use crate::platform::Platform;
use capos_abi::ring::{Submission, flag};
use kernel_lend::Taken;

/// Receivers of an endpoint that are looked at; if none of them waits, more are looked at alone.
const SEARCHED: usize = 8;

impl<'a, P: Platform> Visit<'_, 'a, P> {
    /// A call without capabilities and deadline.
    pub(super) fn call(&mut self, entry: &Submission) -> Option<Step> {
        if entry.flags & !flag::QUIET != 0 || entry.caps & 15 != 0 || entry.deadline != 0 {
            return None;
        }
        let caller = self.caller;
        let segment = segment_of(message_range(caller.area, entry)?, 0);
        let result = result_range(caller.area, entry)?;
        let mut process = self.kernel.processes.take(caller.process)?;
        let (slot, capability) = process.handles.find(entry.handle)?;
        match capability.object {
            Object::Null if capability.offers(entry.interface) => {
                let index = entry.handle as u32;
                let call = KernelCall { caller: &caller, index, confined: capability.confined, entry, segment, result };
                null::answer(self.kernel.platform, &call).ok()
            }
            Object::Served(served) => {
                let (granted, disclosable) = (capability.interface, capability.disclosable);
                let (session, session_ended) = (slot.session, process.session_ended);
                let call = ServedCall {
                    caller: &caller,
                    entry,
                    served,
                    granted,
                    disclosable,
                    session,
                    session_ended,
                    segment,
                    result,
                };
                self.call_served(&mut process, &call)
            }
            _ => None,
        }
    }

    /// The call goes into a free slot of a server that is blocked.
    fn call_served(&mut self, process: &mut Process, call: &ServedCall<'_>) -> Option<Step> {
        let ServedCall { entry, served, .. } = *call;
        if call.session == NO_REFERENCE || entry.arg as u8 & call.disclosable != 0 || call.session_ended {
            return None;
        }
        if let Some(minter) = served.minter {
            self.kernel.processes.take(minter).filter(|minter| minter.is_alive())?;
        }
        let mut endpoint = self.kernel.endpoints.take(served.endpoint)?;
        if endpoint.owners == 0 || endpoint.first.is_some() || call.segment.bytes > endpoint.max_message_bytes {
            return None;
        }
        if !self.thread.ring.is_ready(entry.tag) {
            return None;
        }
        let (at, receiver, slot, mut server) = self.blocked_receiver(&endpoint)?;
        let destination = match server.wakes_with(1) {
            true => Some(self.kernel.destination(self.number, self.here, &server)?),
            false => None,
        };
        self.reserve(process, entry.caps >> 4)?;
        // From here on nothing fails.
        endpoint.references += 1;
        if endpoint.receivers.len() > 1 {
            endpoint.rotate_receivers(at + 1);
        }
        let letter = call.letter(Identity { session: call.session, disclosed: 0 });
        let waiter = Waiter { thread: self.caller.thread, tag: entry.tag };
        self.thread.ring.start(entry.tag, Record::Call(call.record(CallState::Delivered { receiver, slot }, 0)));
        let parcel = Parcel::new(waiter, self.caller.area, letter, 0);
        self.deliver(&parcel, (receiver, slot), &mut server, destination);
        Some(Step::Pending)
    }

    /// Moves the call from the caller's arena into the slot, and wakes the server if it has waited for it.
    #[inline(always)]
    fn deliver(
        &mut self,
        parcel: &Parcel,
        (receiver, slot): (Waiter, u16),
        server: &mut Thread,
        destination: Option<Destination<'_>>,
    ) {
        let platform = self.kernel.platform;
        self.stay.spend(parcel.cost());
        let Some((_, completion)) = accept(&mut server.ring, platform, receiver.tag, slot, parcel) else { return };
        if server.complete(platform, receiver.thread.index(), &completion)
            && let Some(destination) = destination
        {
            self.kernel.dispatch(self.here, receiver.thread, destination);
        }
    }

    /// A receiver of this endpoint that is blocked in `cap_enter` and has a free slot, and its place among them.
    #[inline]
    fn blocked_receiver(&self, endpoint: &Endpoint) -> Option<(usize, Waiter, u16, Taken<'a, Thread>)> {
        for (at, &receiver) in endpoint.receivers.iter().enumerate().take(SEARCHED) {
            if receiver.thread == self.caller.thread {
                continue;
            }
            let server = self.kernel.threads.take(receiver.thread)?;
            if matches!(server.state, State::Blocked(_))
                && let Some(slot) = free_slot(&server.ring, receiver.tag)
            {
                return Some((at, receiver, slot, server));
            }
        }
        None
    }

    /// Sets handles aside for the capabilities of a result; not if slots have to be made, which takes long.
    #[inline]
    fn reserve(&self, process: &mut Process, count: u8) -> Option<()> {
        if count == 0 {
            return Some(());
        }
        if !process.handles.has_slots(count.into()) {
            return None;
        }
        let mut ledger = self.kernel.ledgers.take(process.ledger)?;
        process.reserve_handles(&mut ledger, u32::from(count)).ok()
    }
}
