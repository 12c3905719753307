//! RETURN: answers a delivered call.
use super::call::{message_range, segment_of};
use super::deliver::{HANDLE_BYTES, parse_token};
use super::{Done, Refusal, Step};
use crate::Kernel;
use crate::authority::handle::Lock;
use crate::execution::stay::cost;
use crate::execution::thread::{EndedCall, Thread};
use crate::ipc::enter::Caller;
use crate::ipc::record::{PoolSlotState, Record, Waiter};
use crate::ipc::ring::Ring;
use crate::ipc::sent::SentCaps;
use crate::platform::{ArenaRange, Platform, RingArea};
use crate::slab::Id;
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
    pub(super) fn reply(&mut self, server: &Caller, entry: &Submission) -> Result<Step, Refusal> {
        Self::check_flags(entry, flag::QUIET | flag::EXCEPTION | flag::SPILLED)?;
        let Some(message) = message_range(server.area, entry) else { return self.reach_further(server.thread) };
        let segment = segment_of(message, entry.caps & 15);
        let call = self.delivered_call(server.thread, entry.arg)?;
        if entry.flags & flag::EXCEPTION != 0 {
            self.return_exception(server, call, segment);
        } else if entry.caps & 15 != 0 || entry.flags & flag::SPILLED != 0 {
            return self.return_with_caps(server, call, segment, entry);
        } else {
            self.return_result(server, call, segment, 0, 0)?;
        }
        vacate(&mut self.threads[server.thread].ring, entry.arg);
        Ok(Step::Done(Done::default()))
    }

    /// The call that a token names, which nobody has answered yet.
    #[inline]
    fn delivered_call(&mut self, server: Id<Thread>, token: u64) -> Result<Waiter, Refusal> {
        let (generation, tag, slot) = parse_token(token);
        let Some(Record::Receive(receive)) = self.threads[server].ring.record_mut(tag) else {
            return Err(status::TOO_LATE.into());
        };
        let place = receive.slots.get(usize::from(slot)).filter(|place| place.generation == generation);
        match place.ok_or(status::TOO_LATE)?.state {
            PoolSlotState::Call(call) => Ok(call),
            PoolSlotState::Free => Err(status::TOO_LATE.into()),
            PoolSlotState::Abandoned => {
                receive.vacate(slot);
                Err(status::CALLER_GONE.into())
            }
        }
    }

    /// Ends a call with its result, before which stand so many handles.
    #[inline(always)]
    fn return_result(
        &mut self,
        server: &Caller,
        call: Waiter,
        segment: ArenaRange,
        caps: u8,
        flags: u16,
    ) -> Result<(), Refusal> {
        let caller = &mut self.threads[call.thread];
        let target = room_for(&caller.ring, call.tag, caps, segment)?;
        self.stay.spend(cost::TRANSFER + segment.bytes / cost::BYTES_PER_INSTRUCTION);
        let Some(record) = caller.ring.end_call(call.tag) else { return Err(status::CALLER_GONE.into()) };
        let end = take_result(&caller.ring, &self.platform, (server.area, segment), target, caps);
        let ended = caller.finish_call(&self.platform, call, &record, Completion { flags, ..end });
        self.clean_up(call, Some(ended));
        Ok(())
    }

    /// Ends a call with a result that carries capabilities.
    #[inline(never)]
    fn return_with_caps(
        &mut self,
        server: &Caller,
        call: Waiter,
        segment: ArenaRange,
        entry: &Submission,
    ) -> Result<Step, Refusal> {
        let mut caps = SentCaps::NONE;
        let Some(flags) = self.return_caps(server, call, segment, entry, &mut caps)? else { return Ok(Step::Again) };
        self.return_result(server, call, segment, caps.len(), flags)?;
        vacate(&mut self.threads[server.thread].ring, entry.arg);
        self.end_moved(server.process, &caps, None);
        Ok(Step::Done(Done::default()))
    }

    /// Lists the capabilities of a result and hands them to the caller: their handles stand before it. The flags of the
    /// completion that tells of them; `None`: not now.
    fn return_caps(
        &mut self,
        server: &Caller,
        call: Waiter,
        segment: ArenaRange,
        entry: &Submission,
        caps: &mut SentCaps,
    ) -> Result<Option<u16>, Refusal> {
        let caller = &self.threads[call.thread];
        let result = room_for(&caller.ring, call.tag, entry.caps & 15, segment)?;
        self.list_sent(server, segment, entry.caps & 15, caps)?;
        let Record::Call(record) = caller.ring.record(call.tag) else { return Err(status::CALLER_GONE.into()) };
        let (to, target) = (caller.process, caller.ring.area);
        let mut flags = 0;
        if entry.flags & flag::SPILLED != 0 {
            self.check_large(server.process, caps.first(), record.endpoint)?;
            flags = completion_flag::SPILLED;
        }
        if self.must_wait_for_moves(caps.moves()) {
            return Ok(None);
        }
        self.prepare_to_move(caps.moves())?;
        flags |= self.transfer((server.process, to), caps, (target, result.offset))?;
        Ok(Some(flags))
    }

    /// An exception that does not fit arrives without its message.
    #[inline(never)]
    fn return_exception(&mut self, server: &Caller, call: Waiter, segment: ArenaRange) {
        let caller = &mut self.threads[call.thread];
        let Record::Call(record) = caller.ring.record(call.tag) else { return };
        let result = record.result;
        let bytes = if segment.bytes <= result.bytes { segment.bytes } else { 0 };
        self.stay.spend(cost::TRANSFER + bytes / cost::BYTES_PER_INSTRUCTION);
        self.platform.copy_arena(server.area, segment.offset, caller.ring.area, result.offset, bytes);
        let ended = caller.end_call(&self.platform, call, Completion { status: status::EXCEPTION, bytes, ..OK });
        self.clean_up(call, ended);
    }

    /// Ends a call that is in no queue and no slot any more, without a result.
    pub(crate) fn end_call(&mut self, call: Waiter, status: i32, value: u64) {
        let ended = self.threads[call.thread].end_call(&self.platform, call, Completion { status, value, ..OK });
        self.clean_up(call, ended);
    }

    /// What a call that has ended leaves: perhaps a caller that can run, handles, its hold on the endpoint.
    #[inline(always)]
    fn clean_up(&mut self, call: Waiter, ended: Option<EndedCall>) {
        let Some(ended) = ended else { return };
        if ended.wakes {
            self.hand_over(call.thread);
        }
        if ended.unused > 0 || ended.moves > 0 {
            self.settle_caps(call, ended.unused, ended.moves);
        }
        self.release_endpoint(ended.endpoint);
    }

    /// A call that is over needs no handles any more, and locks none of those that it was to move.
    #[cold]
    fn settle_caps(&mut self, call: Waiter, unused: u8, moves: u8) {
        let caller = &self.threads[call.thread];
        let process = caller.process;
        if moves > 0
            && let Some(entry) = self.processes.get_mut(process)
        {
            caller.ring.carried(call.tag).lock_moved(&mut entry.handles, Lock::Open);
        }
        if unused > 0 {
            self.unreserve_handles(process, u32::from(unused));
        }
    }
}

/// Copies a result behind its handles to where it goes, and makes the completion that tells of it.
#[inline(always)]
pub fn take_result(
    ring: &Ring,
    platform: &impl Platform,
    (source, segment): (RingArea, ArenaRange),
    target: ArenaRange,
    caps: u8,
) -> Completion {
    let cap_bytes = u32::from(caps) * HANDLE_BYTES;
    platform.copy_arena(source, segment.offset, ring.area, target.offset + cap_bytes, segment.bytes);
    Completion { bytes: cap_bytes + segment.bytes, caps, ..OK }
}

/// The call that a token names is over: its slot is free, and no notice can come any more.
#[inline]
pub fn vacate(ring: &mut Ring, token: u64) {
    let (_, tag, slot) = parse_token(token);
    ring.positions.unreserve(1);
    if let Some(Record::Receive(receive)) = ring.record_mut(tag) {
        receive.vacate(slot);
    }
}

/// Where the result of a call goes, if it fits there.
#[inline]
pub fn room_for(ring: &Ring, tag: u16, carried: u8, segment: ArenaRange) -> Result<ArenaRange, Refusal> {
    let Some(Record::Call(call)) = ring.used(tag) else { return Err(status::CALLER_GONE.into()) };
    if carried > call.accepted {
        return Err(Refusal::with(status::NOT_ACCEPTED, call.accepted.into()));
    }
    if u32::from(carried) * HANDLE_BYTES + segment.bytes > call.result.bytes {
        return Err(Refusal::with(status::TOO_BIG, u64::from(call.result.bytes)));
    }
    Ok(call.result)
}
