//! CANCEL, and every other way in which a pending operation ends before its time.
use super::{Done, Refusal, Step};
use crate::Kernel;
use crate::authority::capability::Object;
use crate::execution::stay::cost;
use crate::execution::thread::Thread;
use crate::heap;
use crate::ipc::endpoint::Endpoint;
use crate::ipc::record::{CallState, MethodTarget, PoolSlotState, Record, Waiter};
use crate::platform::Platform;
use crate::slab::Id;
use alloc::vec::Vec;
use capos_abi::ring::{Completion, Submission, flag, kind};
use capos_abi::status::{self, Status};

impl<P: Platform> Kernel<P> {
    #[inline(never)]
    pub(super) fn cancel(&mut self, thread: Id<Thread>, entry: &Submission) -> Result<Step, Refusal> {
        Self::check_flags(entry, flag::QUIET)?;
        let tag = u16::try_from(entry.arg).map_err(|_| status::BAD_TAG)?;
        if self.threads[thread].ring.is_free(tag) {
            return Err(status::TOO_LATE.into());
        }
        if matches!(self.threads[thread].ring.record(tag), Record::Free) {
            return Err(status::BAD_TAG.into());
        }
        let ended = self.abort(Waiter { thread, tag }, status::CANCELLED);
        Ok(if ended { Step::Done(Done::default()) } else { Step::Again })
    }

    /// Ends a pending operation with this status, which its completion shows, as far as the stay allows; whether it has ended.
    pub(crate) fn abort(&mut self, at: Waiter, status: Status) -> bool {
        match self.threads[at.thread].ring.record(at.tag) {
            Record::Free => return true,
            Record::Call(_) => self.abort_call(at, status),
            Record::Receive(_) => return self.abort_receive(at, status),
            Record::Wait(_) | Record::Method(_) => self.abort_wait(at, status),
        }
        self.stay.spend(cost::ABORT);
        true
    }

    fn abort_call(&mut self, call: Waiter, status: Status) {
        let Record::Call(record) = self.threads[call.thread].ring.record(call.tag) else { return };
        match record.state {
            CallState::Queued { .. } => self.unlink_call(record.endpoint, call),
            CallState::Delivered { receiver, slot } => self.abandon_slot(receiver, slot),
        }
        self.end_call(call, status, 0);
    }

    /// Tells a server that the caller of a delivered call is gone.
    fn abandon_slot(&mut self, receiver: Waiter, slot: u16) {
        let Some(Record::Receive(receive)) = self.threads[receiver.thread].ring.record_mut(receiver.tag) else {
            return;
        };
        let user_data = receive.user_data;
        let Some(place) = receive.slots.get_mut(usize::from(slot)) else { return };
        place.state = PoolSlotState::Abandoned;
        let value = u64::from(place.generation) << 32 | u64::from(receiver.tag) << 16 | u64::from(slot);
        let notice = Completion {
            user_data,
            kind: kind::CANCEL_NOTICE,
            tag: receiver.tag,
            slot,
            value,
            ..Completion::default()
        };
        self.complete(receiver.thread, &notice);
    }

    /// Ends a RECV, as far as the stay allows: first it takes no more calls, then those that lie in its pool end, which may have
    /// been executed, then itself. Whether it has ended.
    fn abort_receive(&mut self, at: Waiter, status: Status) -> bool {
        let Some(endpoint) = self.close_receive(at) else { return true };
        while let Some(call) = self.undelivered(at) {
            self.stay.spend(cost::ABORT);
            self.threads[at.thread].ring.positions.unreserve(1);
            self.end_call(call, status::SERVER_DIED, 0);
            if self.stay.is_over() {
                return false;
            }
        }
        let Record::Receive(mut receive) = self.threads[at.thread].ring.finish(at.tag) else { return true };
        self.stay.spend(cost::ABORT);
        receive.slots.clear();
        heap::free(&mut receive.slots, &mut self.ledgers[self.threads[at.thread].ledger]);
        let completion =
            Completion { user_data: receive.user_data, status, kind: kind::DONE, tag: at.tag, ..Completion::default() };
        self.complete(at.thread, &completion);
        self.release(Object::Endpoint(endpoint));
        true
    }

    /// No more calls get into the pool of this RECV; its endpoint.
    fn close_receive(&mut self, at: Waiter) -> Option<Id<Endpoint>> {
        let Some(Record::Receive(receive)) = self.threads[at.thread].ring.record_mut(at.tag) else { return None };
        let endpoint = receive.endpoint;
        if !core::mem::replace(&mut receive.is_closed, true) {
            receive.free = 0;
            let receivers = self.endpoints[endpoint].remove_receiver(at);
            self.stay.spend(receivers as u32 * cost::LISTED);
        }
        Some(endpoint)
    }

    /// Takes a call out of the pool of a closed RECV.
    fn undelivered(&mut self, at: Waiter) -> Option<Waiter> {
        let Some(Record::Receive(receive)) = self.threads[at.thread].ring.record_mut(at.tag) else { return None };
        receive.slots.iter_mut().find_map(|slot| match slot.state {
            PoolSlotState::Call(call) => {
                slot.state = PoolSlotState::Free;
                Some(call)
            }
            PoolSlotState::Free | PoolSlotState::Abandoned => None,
        })
    }

    fn abort_wait(&mut self, at: Waiter, status: Status) {
        let user_data = match self.threads[at.thread].ring.finish(at.tag) {
            Record::Wait(wait) => {
                match wait.notification {
                    None => self.stay.spend(self.threads[at.thread].bits.remove(at) * cost::LISTED),
                    Some(id) => {
                        self.stay.spend(self.notifications[id].bits.remove(at) * cost::LISTED);
                        self.release(Object::Notification(id));
                    }
                }
                wait.user_data
            }
            Record::Method(method) => {
                let waiters = self.waiters_for(method.target);
                let count = waiters.len() as u32;
                waiters.retain(|waiter| *waiter != at);
                self.stay.spend(count * cost::LISTED);
                self.release_target(method.target);
                method.user_data
            }
            Record::Free | Record::Call(_) | Record::Receive(_) => return,
        };
        let completion = Completion { user_data, status, kind: kind::DONE, tag: at.tag, ..Completion::default() };
        self.complete(at.thread, &completion);
    }

    /// Those who wait for the same as a pending method.
    pub(crate) fn waiters_for(&mut self, target: MethodTarget) -> &mut Vec<Waiter> {
        match target {
            MethodTarget::Process(id) => &mut self.processes[id].waiters,
            MethodTarget::Thread(id) => &mut self.threads[id].waiters,
            MethodTarget::Faults(id) => &mut self.processes[id].fault_waiters,
        }
    }

    /// Gives up the reference that a pending method holds.
    pub(crate) fn release_target(&mut self, target: MethodTarget) {
        match target {
            MethodTarget::Process(id) => self.release(Object::Process(id)),
            MethodTarget::Thread(id) => self.release(Object::Thread(id)),
            MethodTarget::Faults(id) => self.release(Object::Faults(id)),
        }
    }
}
