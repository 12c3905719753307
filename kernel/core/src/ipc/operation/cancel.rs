//! CANCEL, and every other way in which a pending operation ends before its time.
use super::{Done, Refusal, Step};
use crate::Kernel;
use crate::authority::capability::Object;
use crate::execution::stay::cost;
use crate::execution::thread::Thread;
use crate::ipc::record::{CallState, MethodTarget, PoolSlot, PoolSlotState, Record, Waiter};
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
        self.abort(Waiter { thread, tag }, status::CANCELLED);
        Ok(Step::Done(Done::default()))
    }

    /// Ends a pending operation with this status, which its completion shows.
    pub(crate) fn abort(&mut self, at: Waiter, status: Status) {
        if matches!(self.threads[at.thread].ring.record(at.tag), Record::Free) {
            return;
        }
        self.stay.spend(cost::ABORT);
        match self.threads[at.thread].ring.record(at.tag) {
            Record::Free => {}
            Record::Call(_) => self.abort_call(at, status),
            Record::Receive(_) => self.abort_receive(at, status),
            Record::Wait(_) | Record::Method(_) => self.abort_wait(at, status),
        }
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

    /// Ends a RECV: calls that lie in its pool may have been executed.
    fn abort_receive(&mut self, at: Waiter, status: Status) {
        let Record::Receive(receive) = self.threads[at.thread].ring.finish(at.tag) else { return };
        self.endpoints[receive.endpoint].remove_receiver(at);
        self.orphan_calls(at, &receive.slots);
        let completion =
            Completion { user_data: receive.user_data, status, kind: kind::DONE, tag: at.tag, ..Completion::default() };
        self.complete(at.thread, &completion);
        self.release(Object::Endpoint(receive.endpoint));
    }

    /// Ends the calls in a pool that nobody will answer.
    fn orphan_calls(&mut self, at: Waiter, slots: &Vec<PoolSlot>) {
        for slot in slots {
            if let PoolSlotState::Call(call) = slot.state {
                self.stay.spend(cost::ABORT);
                self.threads[at.thread].ring.positions.unreserve(1);
                self.end_call(call, status::SERVER_DIED, 0);
            }
        }
    }

    fn abort_wait(&mut self, at: Waiter, status: Status) {
        let user_data = match self.threads[at.thread].ring.finish(at.tag) {
            Record::Wait(wait) => {
                match wait.notification {
                    None => self.threads[at.thread].bits.remove(at),
                    Some(id) => {
                        self.notifications[id].bits.remove(at);
                        self.release(Object::Notification(id));
                    }
                }
                wait.user_data
            }
            Record::Method(method) => {
                match method.target {
                    MethodTarget::Process(id) => self.processes[id].waiters.retain(|w| *w != at),
                    MethodTarget::Thread(id) => self.threads[id].waiters.retain(|w| *w != at),
                    MethodTarget::Faults(id) => self.processes[id].fault_waiters.retain(|w| *w != at),
                }
                self.release_target(method.target);
                method.user_data
            }
            Record::Free | Record::Call(_) | Record::Receive(_) => return,
        };
        let completion = Completion { user_data, status, kind: kind::DONE, tag: at.tag, ..Completion::default() };
        self.complete(at.thread, &completion);
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
