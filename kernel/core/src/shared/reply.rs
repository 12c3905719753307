//! RETURN beside other processors: a result without capabilities.
use super::Visit;
use crate::execution::stay::cost;
use crate::execution::thread::Thread;
use crate::ipc::operation::call::{message_range, segment_of};
use crate::ipc::operation::deliver::parse_token;
use crate::ipc::operation::reply::{room_for, take_result, vacate};
use crate::ipc::operation::{Done, Step};
use crate::ipc::record::{CallRecord, PoolSlotState, Record, Waiter};
use crate::platform::Platform;
use capos_abi::ring::{Submission, flag};

impl<P: Platform> Visit<'_, '_, P> {
    /// Answers a call whose caller is still there.
    pub(super) fn reply(&mut self, entry: &Submission) -> Option<Step> {
        if entry.flags & !flag::QUIET != 0 || entry.caps & 15 != 0 {
            return None;
        }
        let segment = segment_of(message_range(self.caller.area, entry)?, 0);
        let call = self.delivered_call(entry.arg)?;
        let mut caller = self.kernel.threads.take(call.thread)?;
        let target = room_for(&caller.ring, call.tag, 0, segment).ok()?;
        let Record::Call(record) = caller.ring.record(call.tag) else { return None };
        let &CallRecord { endpoint, accepted, moves: 0, quiet, .. } = record else { return None };
        let mut endpoint = self.kernel.endpoints.take(endpoint).filter(|endpoint| endpoint.references > 1)?;
        let destination = match !quiet && caller.wakes_with(1) {
            true => Some(self.kernel.destination(self.number, self.here, &caller)?),
            false => None,
        };
        self.unreserve(&caller, accepted)?;
        // From here on nothing fails.
        let platform = self.kernel.platform;
        self.stay.spend(cost::TRANSFER + segment.bytes / cost::BYTES_PER_INSTRUCTION);
        let end = take_result(&caller.ring, platform, (self.caller.area, segment), target, 0);
        if caller.end_call(platform, call, end).is_some_and(|ended| ended.wakes)
            && let Some(destination) = destination
        {
            self.kernel.dispatch(self.here, call.thread, destination);
        }
        endpoint.references -= 1;
        vacate(&mut self.thread.ring, entry.arg);
        Some(Step::Done(Done::default()))
    }

    /// The call that a token names, if it waits for its answer.
    #[inline]
    fn delivered_call(&self, token: u64) -> Option<Waiter> {
        let (generation, tag, slot) = parse_token(token);
        let Record::Receive(receive) = self.thread.ring.record(tag) else { return None };
        let place = receive.slots.get(usize::from(slot)).filter(|place| place.generation == generation)?;
        match place.state {
            PoolSlotState::Call(call) => Some(call),
            PoolSlotState::Free | PoolSlotState::Abandoned => None,
        }
    }

    /// Gives the handles back that were set aside for the capabilities of a caller's result.
    #[inline]
    fn unreserve(&self, caller: &Thread, count: u8) -> Option<()> {
        if count == 0 {
            return Some(());
        }
        let mut process = self.kernel.processes.take(caller.process)?;
        let mut ledger = self.kernel.ledgers.take(process.ledger)?;
        process.unreserve_handles(&mut ledger, u32::from(count));
        Some(())
    }
}
