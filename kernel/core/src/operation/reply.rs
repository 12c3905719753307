//! RETURN: answers a delivered call.
use super::call::{message_range, segment_of};
use super::deliver::parse_token;
use super::{Done, Refusal, Step};
use crate::Kernel;
use crate::enter::Caller;
use crate::platform::{ArenaRange, Platform};
use crate::process::Process;
use crate::record::{CallRecord, PoolSlotState, Record, SentCaps, Waiter};
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
    #[inline(never)]
    pub(super) fn reply(&mut self, caller: &Caller, entry: &Submission) -> Result<Step, Refusal> {
        Self::check_flags(entry, flag::QUIET | flag::EXCEPTION | flag::SPILLED)?;
        let server = caller.thread;
        let segment = segment_of(message_range(caller.area, entry)?, entry.caps & 15);
        let ring = &mut self.threads[server].ring;
        let (generation, tag, slot) = parse_token(entry.arg);
        let Some(Record::Receive(receive)) = ring.record_mut(tag) else { return Err(status::TOO_LATE.into()) };
        let place = receive.slots.get(usize::from(slot)).filter(|place| place.generation == generation);
        let call = match place.ok_or(status::TOO_LATE)?.state {
            PoolSlotState::Free => return Err(status::TOO_LATE.into()),
            PoolSlotState::Abandoned => {
                receive.vacate(slot);
                return Err(status::CALLER_GONE.into());
            }
            PoolSlotState::Call(call) => call,
        };
        let carried = if entry.flags & flag::EXCEPTION != 0 {
            self.return_exception(server, call, segment);
            None
        } else {
            self.return_result(caller, call, segment, entry)?
        };
        let ring = &mut self.threads[server].ring;
        ring.unreserve(1);
        if let Some(Record::Receive(receive)) = ring.record_mut(tag) {
            receive.vacate(slot);
        }
        if let Some(caps) = carried {
            self.end_moved(caller.process, &caps, None);
        }
        Ok(Step::Done(Done::default()))
    }

    #[inline]
    fn return_result(
        &mut self,
        server: &Caller,
        call: Waiter,
        segment: ArenaRange,
        entry: &Submission,
    ) -> Result<Option<SentCaps>, Refusal> {
        let (carried, spilled) = (entry.caps & 15, entry.flags & flag::SPILLED != 0);
        let caller = &self.threads[call.thread];
        let Record::Call(record) = caller.ring.record(call.tag) else { return Err(status::CALLER_GONE.into()) };
        let (target, result) = (caller.ring.area, record.result);
        let cap_bytes = u32::from(carried) * 8;
        if carried > record.accepted {
            return Err(Refusal { status: status::NOT_ACCEPTED, value: record.accepted.into() });
        }
        if cap_bytes + segment.bytes > result.bytes {
            return Err(Refusal { status: status::TOO_BIG, value: u64::from(result.bytes) });
        }
        let mut flags = if spilled { completion_flag::SPILLED } else { 0 };
        let mut caps = None;
        if carried > 0 || spilled {
            let (sent, received) = self.return_caps(server, call, segment, entry)?;
            caps = Some(sent);
            flags |= received;
        }
        self.stay.spend(cost::TRANSFER + segment.bytes / cost::BYTES_PER_INSTRUCTION);
        self.platform.copy_arena(server.area, segment.offset, target, result.offset + cap_bytes, segment.bytes);
        self.close_call(call, Completion { bytes: cap_bytes + segment.bytes, caps: carried, flags, ..OK });
        Ok(caps)
    }

    /// Hands the capabilities of a result to the caller: their handles stand before it. Also gives the flags of the completion
    /// that tells of them.
    fn return_caps(
        &mut self,
        server: &Caller,
        call: Waiter,
        segment: ArenaRange,
        entry: &Submission,
    ) -> Result<(SentCaps, u16), Refusal> {
        let caps = self.sent_caps(server.thread, segment, entry.caps & 15)?;
        let caller = &self.threads[call.thread];
        let Record::Call(record) = caller.ring.record(call.tag) else { return Err(status::CALLER_GONE.into()) };
        let (to, target, result) = (caller.process, caller.ring.area, record.result);
        if entry.flags & flag::SPILLED != 0 {
            self.check_large(server.process, &caps, record.endpoint)?;
        }
        let received = self.transfer(server.process, to, &caps)?;
        let handles = received.handles.get(..usize::from(caps.len())).unwrap_or_default();
        self.platform.write_arena(target, result.offset, handles);
        Ok((caps, received.flags()))
    }

    /// An exception that does not fit arrives without its message.
    fn return_exception(&mut self, server: Id<Thread>, call: Waiter, segment: ArenaRange) {
        let Record::Call(record) = self.threads[call.thread].ring.record(call.tag) else { return };
        let result = record.result;
        let bytes = if segment.bytes <= result.bytes { segment.bytes } else { 0 };
        let (source, target) = (self.threads[server].ring.area, self.threads[call.thread].ring.area);
        self.stay.spend(cost::TRANSFER + bytes / cost::BYTES_PER_INSTRUCTION);
        self.platform.copy_arena(source, segment.offset, target, result.offset, bytes);
        self.close_call(call, Completion { status: status::EXCEPTION, bytes, ..OK });
    }

    /// Completes a call that is in no queue and no slot any more; its accepted handles that were not used go back.
    #[inline]
    fn close_call(&mut self, call: Waiter, end: Completion) {
        let caller = &mut self.threads[call.thread];
        let process = caller.process;
        let Record::Call(record) = caller.ring.record(call.tag) else { return };
        let CallRecord { endpoint, user_data, quiet, accepted, caps: carried, .. } = *record;
        caller.ring.free(call.tag);
        if end.status == status::OK && quiet {
            caller.ring.unreserve(1);
        } else {
            let completion = Completion { user_data, tag: call.tag, ..end };
            if caller.complete(&mut self.platform, call.thread.index(), &completion) {
                self.hand_over(call.thread);
            }
        }
        if accepted > end.caps || carried > 0 {
            self.settle_caps(call, process, accepted - end.caps, carried);
        }
        self.release_endpoint(endpoint);
    }

    /// A call that is over needs no handles any more, and locks none of those that it carried.
    #[cold]
    fn settle_caps(&mut self, call: Waiter, process: Id<Process>, unused: u8, carried: u8) {
        self.unreserve_handles(process, u32::from(unused));
        if carried > 0
            && let Some(caps) = self.threads[call.thread].ring.carried(call.tag)
        {
            self.lock_moved(process, &caps, false);
        }
    }

    /// Ends a call without a result.
    pub(crate) fn end_call(&mut self, call: Waiter, status: i32, value: u64) {
        self.close_call(call, Completion { status, value, ..OK });
    }
}
