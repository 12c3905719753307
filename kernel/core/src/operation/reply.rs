//! RETURN: answers a delivered call.
use super::call::{message_range, segment_of};
use super::deliver::parse_token;
use super::{Done, Refusal, Step};
use crate::Kernel;
use crate::platform::Platform;
use crate::record::{ArenaRange, CallRecord, PoolSlotState, Record, SentCaps, Waiter};
use crate::slab::Id;
use crate::stay::cost;
use crate::thread::Thread;
use capos_abi::ring::{Completion, Submission, completion_flag, flag, kind};
use capos_abi::status;

/// The end of a call, without what only its record knows.
const OK: Completion = Completion {
    user_data: 0,
    status: status::OK,
    bytes: 0,
    kind: kind::DONE,
    caps: 0,
    flags: 0,
    tag: 0,
    slot: 0,
    value: 0,
};

impl<P: Platform> Kernel<P> {
    pub(super) fn reply(&mut self, server: Id<Thread>, entry: &Submission) -> Result<Step, Refusal> {
        Self::check_flags(entry, flag::QUIET | flag::EXCEPTION | flag::SPILLED)?;
        let message = message_range(&self.threads[server].ring, entry)?;
        let call = match self.slot_of(server, entry.arg).ok_or(status::TOO_LATE)? {
            PoolSlotState::Free => return Err(status::TOO_LATE.into()),
            PoolSlotState::Abandoned => {
                self.free_pool_slot(server, entry.arg);
                return Err(status::CALLER_GONE.into());
            }
            PoolSlotState::Call(call) => call,
        };
        let segment = segment_of(message, entry.caps & 15);
        let caps = self.sent_caps(server, segment, entry.caps & 15)?;
        if entry.flags & flag::EXCEPTION != 0 {
            self.return_exception(server, call, segment);
        } else {
            self.return_result(server, call, segment, &caps, entry.flags & flag::SPILLED != 0)?;
        }
        self.threads[server].ring.unreserve(1);
        self.free_pool_slot(server, entry.arg);
        Ok(Step::Done(Done::default()))
    }

    fn return_result(
        &mut self,
        server: Id<Thread>,
        call: Waiter,
        segment: ArenaRange,
        caps: &SentCaps,
        spilled: bool,
    ) -> Result<(), Refusal> {
        let Record::Call(record) = self.threads[call.thread].ring.record(call.tag) else {
            return Err(status::CALLER_GONE.into());
        };
        let CallRecord { result, accepted, endpoint, .. } = *record;
        let cap_bytes = u32::from(caps.len()) * 8;
        if caps.len() > accepted {
            return Err(Refusal { status: status::NOT_ACCEPTED, value: accepted.into() });
        }
        if cap_bytes + segment.bytes > result.bytes {
            return Err(Refusal { status: status::TOO_BIG, value: u64::from(result.bytes) });
        }
        if spilled {
            self.check_large(server, caps, endpoint)?;
        }
        let (from, to) = (self.threads[server].process, self.threads[call.thread].process);
        let handles = self.transfer(from, to, caps)?;
        let (source, target) = (self.threads[server].ring.area, self.threads[call.thread].ring.area);
        if caps.len() > 0 {
            self.platform.write_arena(
                target,
                result.offset,
                handles.get(..usize::from(caps.len())).unwrap_or_default(),
            );
        }
        self.stay.spend(cost::TRANSFER);
        self.stay.spend_bytes(segment.bytes);
        self.platform.copy_arena(source, segment.offset, target, result.offset + cap_bytes, segment.bytes);
        let flags = if spilled { completion_flag::SPILLED } else { 0 };
        self.close_call(call, Completion { bytes: cap_bytes + segment.bytes, caps: caps.len(), flags, ..OK });
        Ok(())
    }

    /// An exception that does not fit arrives without its message.
    fn return_exception(&mut self, server: Id<Thread>, call: Waiter, segment: ArenaRange) {
        let Record::Call(record) = self.threads[call.thread].ring.record(call.tag) else { return };
        let result = record.result;
        let bytes = if segment.bytes <= result.bytes { segment.bytes } else { 0 };
        let (source, target) = (self.threads[server].ring.area, self.threads[call.thread].ring.area);
        self.stay.spend(cost::TRANSFER);
        self.stay.spend_bytes(bytes);
        self.platform.copy_arena(source, segment.offset, target, result.offset, bytes);
        self.close_call(call, Completion { status: status::EXCEPTION, bytes, ..OK });
    }

    /// Completes a call that is in no queue and no slot any more; its accepted handles that were not used go back.
    fn close_call(&mut self, call: Waiter, end: Completion) {
        let Record::Call(record) = self.threads[call.thread].ring.finish(call.tag) else { return };
        let unused = u32::from(record.accepted - end.caps);
        if unused > 0 {
            self.unreserve_handles(self.threads[call.thread].process, unused);
        }
        if end.status == status::OK && record.quiet {
            self.threads[call.thread].ring.unreserve(1);
        } else {
            let completion = Completion { user_data: record.user_data, tag: call.tag, ..end };
            self.complete(call.thread, &completion);
        }
        self.lock_moved(self.threads[call.thread].process, &record.caps, false);
        self.release_endpoint(record.endpoint);
    }

    /// Ends a call without a result.
    pub(crate) fn end_call(&mut self, call: Waiter, status: i32, value: u64) {
        self.close_call(call, Completion { status, value, ..OK });
    }

    /// What lies in the slot that a token names, if the token is current.
    fn slot_of(&self, server: Id<Thread>, token: u64) -> Option<PoolSlotState> {
        let (generation, tag, slot) = parse_token(token);
        let Record::Receive(receive) = self.threads[server].ring.record(tag) else { return None };
        receive.slots.get(usize::from(slot)).filter(|s| s.generation == generation).map(|s| s.state)
    }

    fn free_pool_slot(&mut self, server: Id<Thread>, token: u64) {
        let (_, tag, slot) = parse_token(token);
        if let Some(Record::Receive(receive)) = self.threads[server].ring.record_mut(tag)
            && let Some(slot) = receive.slots.get_mut(usize::from(slot))
        {
            slot.state = PoolSlotState::Free;
        }
    }
}
