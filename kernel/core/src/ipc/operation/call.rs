//! CALL: to a kernel object, done in place; to a served object, queued or delivered.
use super::deliver::{Parcel, free_place};
use super::{Refusal, Step};
use crate::Kernel;
use crate::authority::capability::{Object, Served};
use crate::authority::handle::Lock;
use crate::authority::session::{Identity, NO_REFERENCE, Reference};
use crate::execution::process::Process;
use crate::execution::stay::cost;
use crate::heap::Payer;
use crate::ipc::endpoint::Endpoint;
use crate::ipc::enter::Caller;
use crate::ipc::record::{CallRecord, CallState, Letter, Record, Waiter};
use crate::ipc::sent::{DESCRIPTOR_BYTES, SentCaps};
use crate::object::{KernelCall, null};
use crate::platform::{ArenaRange, Platform, RingArea};
use crate::slab::Id;
use capos_abi::handle::Handle;
use capos_abi::message::delivery_flag;
use capos_abi::ring::{MAX_MESSAGE_BYTES, Submission, flag};
use capos_abi::status::{self, transfer};

impl<P: Platform> Kernel<P> {
    #[inline(never)]
    pub(super) fn call(&mut self, caller: &Caller, entry: &Submission) -> Result<Step, Refusal> {
        Self::check_flags(entry, flag::QUIET | flag::SPILLED)?;
        let Some(message) = message_range(caller.area, entry) else { return self.reach_further(caller.thread) };
        let Some(result) = result_range(caller.area, entry) else { return self.reach_further(caller.thread) };
        let segment = segment_of(message, entry.caps & 15);
        let process = &self.processes[caller.process];
        let (slot, capability) = process.handles.find(entry.handle).ok_or(status::STALE)?;
        if let Object::Served(served) = capability.object {
            let (granted, disclosable) = (capability.interface, capability.disclosable);
            let (session, session_ended) = (slot.session, process.session_ended);
            let call =
                ServedCall { caller, entry, served, granted, disclosable, session, session_ended, segment, result };
            return self.call_served(&call);
        }
        if entry.flags & flag::SPILLED != 0 {
            return Err(status::BAD_MESSAGE.into());
        }
        if !capability.offers(entry.interface) {
            return Err(status::WRONG_INTERFACE.into());
        }
        let index = entry.handle as u32;
        let call = KernelCall { caller, index, confined: capability.confined, entry, segment, result };
        match capability.object {
            Object::Null => null::answer(&self.platform, &call),
            object => self.call_kernel(call, object),
        }
    }

    /// Lists the capabilities that a message of this sender carries.
    pub(crate) fn list_sent(
        &self,
        sender: &Caller,
        segment: ArenaRange,
        count: u8,
        list: &mut SentCaps,
    ) -> Result<(), Refusal> {
        list.read(&self.platform, &self.processes[sender.process].handles, (sender.area, segment), count)
    }

    /// The first capability of a spilled message must be memory that nobody can write, of a size that the endpoint takes.
    pub(super) fn check_large(
        &self,
        sender: Id<Process>,
        first: Option<Handle>,
        endpoint: Id<Endpoint>,
    ) -> Result<(), Refusal> {
        let first = first.and_then(|handle| self.processes[sender].handles.get(handle));
        let Some(Object::Memory(memory)) = first.map(|c| c.object) else { return Err(status::BAD_MESSAGE.into()) };
        let (memory, limit) = (&self.memory[memory], self.endpoints[endpoint].max_large_bytes);
        match memory {
            memory if !memory.sealed => Err(status::BAD_STATE.into()),
            memory if memory.bytes > limit => Err(Refusal::with(status::TOO_BIG, limit)),
            _ => Ok(()),
        }
    }

    #[inline(never)]
    fn call_served(&mut self, call: &ServedCall<'_>) -> Result<Step, Refusal> {
        let ServedCall { entry, served, caller: &Caller { thread, .. }, .. } = *call;
        let identity = self.identity(call);
        let mut endpoint = &mut self.endpoints[served.endpoint];
        let minter_died = served.minter.is_some_and(|m| !self.processes.get(m).is_some_and(|p| p.is_alive()));
        if endpoint.owners == 0 || minter_died {
            return Err(status::STALE.into());
        }
        if call.segment.bytes > endpoint.max_message_bytes {
            return Err(Refusal::with(status::TOO_BIG, endpoint.max_message_bytes.into()));
        }
        if call.session_ended {
            return Err(status::SESSION_ENDED.into());
        }
        if !self.threads[thread].ring.is_ready(entry.tag) {
            self.check_tag(thread, entry.tag)?;
            endpoint = &mut self.endpoints[served.endpoint];
        }
        let mut moves = 0;
        if entry.caps != 0 || entry.flags & flag::SPILLED != 0 {
            let Some(prepared) = self.prepare_caps(call)? else { return Ok(Step::Again) };
            moves = prepared;
            endpoint = &mut self.endpoints[served.endpoint];
        }
        endpoint.references += 1;
        // Calls are delivered in order: none overtakes the queue.
        let free = if endpoint.first.is_none() { free_place(&self.threads, endpoint, &mut self.stay) } else { None };
        let (waiter, letter) = (Waiter { thread, tag: entry.tag }, call.letter(identity));
        let ring = &mut self.threads[thread].ring;
        match free {
            Some((receiver, slot)) => {
                ring.start(entry.tag, Record::Call(call.record(CallState::Delivered { receiver, slot }, moves)));
                let parcel = Parcel::new(waiter, call.caller.area, letter, entry.caps & 15);
                self.hand_parcel(&parcel, receiver, slot);
            }
            None => {
                let state = CallState::Queued { previous: None, next: None, letter };
                ring.start(entry.tag, Record::Call(call.record(state, moves)));
                self.enqueue_call(served.endpoint, waiter);
            }
        }
        Ok(Step::Pending)
    }

    /// What a call tells about its caller, who is willing to disclose the attributes that the entry asks for.
    #[inline]
    fn identity(&mut self, call: &ServedCall<'_>) -> Identity {
        let process = call.caller.process;
        let session = match call.session {
            NO_REFERENCE => {
                self.stay.spend(cost::REFERENCE);
                self.make_reference(process, call.entry.handle, call.served.endpoint)
            }
            reference => reference,
        };
        let mask = call.entry.arg as u8 & call.disclosable;
        Identity { session, disclosed: if mask == 0 { 0 } else { self.disclose(process, mask) } }
    }

    /// Notes the capabilities that a call carries, and sets handles aside for those of its result: how many move. `None`: not now.
    fn prepare_caps(&mut self, call: &ServedCall<'_>) -> Result<Option<u8>, Refusal> {
        let ServedCall { entry, caller: &Caller { thread, process, .. }, .. } = *call;
        let (moves, first) = self.note_caps(call)?;
        if entry.flags & flag::SPILLED != 0 {
            self.check_large(process, first, call.served.endpoint)?;
        }
        if self.must_wait_for_moves(moves) {
            return Ok(None);
        }
        let accepted = entry.caps >> 4;
        if accepted > 0 {
            self.reserve_handles(process, u32::from(accepted))?;
        }
        if moves > 0 {
            self.threads[thread].ring.carried(entry.tag).lock_moved(&mut self.processes[process].handles, Lock::Moving);
        }
        Ok(Some(moves))
    }

    /// Notes the capabilities that a call carries in its ring: how many move, and the first of them all.
    fn note_caps(&mut self, call: &ServedCall<'_>) -> Result<(u8, Option<Handle>), Refusal> {
        let ServedCall { entry, segment, caller: &Caller { thread, process, area }, .. } = *call;
        let count = entry.caps & 15;
        if count == 0 {
            return Ok((0, None));
        }
        let caller = &mut self.threads[thread];
        let payer = Payer { ledgers: &mut self.ledgers, ledger: caller.ledger, stay: &mut self.stay };
        let list = caller.ring.list(entry.tag, payer)?;
        list.read(&self.platform, &self.processes[process].handles, (area, segment), count)?;
        Ok((list.moves(), list.first()))
    }

    #[inline(never)]
    fn enqueue_call(&mut self, endpoint: Id<Endpoint>, call: Waiter) {
        self.stay.spend(cost::QUEUE);
        let last = self.endpoints[endpoint].last.replace(call);
        self.set_queue_links(call, |previous, _| *previous = last);
        match last {
            // Receivers know of the calls before.
            Some(last) => self.set_queue_links(last, |_, next| *next = Some(call)),
            None => {
                self.endpoints[endpoint].first = Some(call);
                self.tell_receivers(endpoint);
            }
        }
    }

    /// Something waits for the receivers of this endpoint: they look for it when they enter.
    pub(crate) fn tell_receivers(&mut self, endpoint: Id<Endpoint>) {
        let receivers = &self.endpoints[endpoint].receivers;
        self.stay.spend(receivers.len() as u32 * cost::LISTED);
        for receiver in receivers {
            self.threads[receiver.thread].has_work = true;
        }
    }

    /// Takes a queued call out of its endpoint's queue.
    pub(crate) fn unlink_call(&mut self, endpoint: Id<Endpoint>, call: Waiter) {
        let mut around = (None, None);
        self.set_queue_links(call, |previous, next| around = (previous.take(), next.take()));
        let (before, behind) = around;
        if self.endpoints[endpoint].sweep == Some(call) {
            self.endpoints[endpoint].sweep = behind;
        }
        match before {
            Some(before) => self.set_queue_links(before, |_, next| *next = behind),
            None => self.endpoints[endpoint].first = behind,
        }
        match behind {
            Some(behind) => self.set_queue_links(behind, |previous, _| *previous = before),
            None => self.endpoints[endpoint].last = before,
        }
    }

    fn set_queue_links(&mut self, call: Waiter, set: impl FnOnce(&mut Option<Waiter>, &mut Option<Waiter>)) {
        if let Some(Record::Call(CallRecord { state: CallState::Queued { previous, next, .. }, .. })) =
            self.threads[call.thread].ring.record_mut(call.tag)
        {
            set(previous, next);
        }
    }
}

/// A call to a served object.
pub struct ServedCall<'a> {
    /// Who calls.
    pub caller: &'a Caller,
    /// The entry.
    pub entry: &'a Submission,
    /// What is called.
    pub served: Served,
    /// Interface granted.
    pub granted: u64,
    /// Attributes of the caller's session that calls through it may disclose.
    pub disclosable: u8,
    /// The reference of that session, if there was a call through the slot before.
    pub session: Reference,
    /// That session has ended.
    pub session_ended: bool,
    /// The capnp segment.
    pub segment: ArenaRange,
    /// Where the result goes.
    pub result: ArenaRange,
}

impl ServedCall<'_> {
    /// What its end needs.
    #[inline(always)]
    pub fn record(&self, state: CallState, moves: u8) -> CallRecord {
        let Self { entry, served, .. } = *self;
        CallRecord {
            handle: entry.handle,
            user_data: entry.user_data,
            state,
            endpoint: served.endpoint,
            quiet: entry.flags & flag::QUIET != 0,
            accepted: entry.caps >> 4,
            caps: entry.caps & 15,
            moves,
            result: self.result,
            deadline: entry.deadline,
        }
    }

    /// What its server gets.
    #[inline(always)]
    pub fn letter(&self, Identity { session: [first, second], disclosed }: Identity) -> Letter {
        let Self { entry, served, segment, result, .. } = *self;
        let flags = if entry.flags & flag::SPILLED != 0 { delivery_flag::SPILLED } else { 0 };
        let lengths = u64::from(segment.bytes)
            | u64::from(entry.method) << 32
            | u64::from(entry.caps & 15) << 48
            | u64::from(flags) << 56;
        let header = [
            self.granted,
            served.key,
            entry.interface,
            lengths,
            u64::from(result.bytes) | u64::from(disclosed) << 32,
            entry.deadline,
            first,
            second,
        ];
        Letter { header, segment, minter: served.minter }
    }
}

/// A capability of a message cannot be sent: which, and why.
pub fn refused(index: usize, why: u8) -> Refusal {
    Refusal::with(status::BAD_CAPABILITY, index as u64 | u64::from(why) << transfer::WHY_SHIFT)
}

/// Where the result goes.
#[inline]
pub fn result_range(area: RingArea, entry: &Submission) -> Option<ArenaRange> {
    area.range(entry.result_offset, entry.result_bytes)
}

/// The message's range, with room for the capability descriptors that the entry announces.
#[inline]
pub fn message_range(area: RingArea, entry: &Submission) -> Option<ArenaRange> {
    let range = area.range(entry.message_offset, entry.message_bytes)?;
    let descriptors = u32::from(entry.caps & 15) * DESCRIPTOR_BYTES;
    (descriptors..=MAX_MESSAGE_BYTES).contains(&range.bytes).then_some(range)
}

/// The capnp segment behind the capability descriptors.
#[inline]
pub fn segment_of(message: ArenaRange, caps: u8) -> ArenaRange {
    let descriptors = u32::from(caps) * DESCRIPTOR_BYTES;
    ArenaRange { offset: message.offset + descriptors, bytes: message.bytes - descriptors }
}
