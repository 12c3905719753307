//! CALL: to a kernel object, done in place; to a served object, queued or delivered.
use super::{Refusal, Step};
use crate::Kernel;
use crate::capability::{Capability, Object, Served};
use crate::endpoint::Endpoint;
use crate::handle::SlotRef;
use crate::object::KernelCall;
use crate::platform::Platform;
use crate::record::{ArenaRange, CallRecord, CallState, Record, SentCaps, Waiter};
use crate::ring::Ring;
use crate::slab::Id;
use crate::thread::Thread;
use capos_abi::message::mode;
use capos_abi::ring::{MAX_MESSAGE_BYTES, Submission, flag};
use capos_abi::status::{self, transfer};

/// Bytes of a capability descriptor.
const DESCRIPTOR_BYTES: u32 = size_of::<capos_abi::message::CapDescriptor>() as u32;

impl<P: Platform> Kernel<P> {
    pub(super) fn call(&mut self, thread: Id<Thread>, entry: &Submission) -> Result<Step, Refusal> {
        Self::check_flags(entry, flag::QUIET | flag::SPILLED)?;
        let caller = &self.threads[thread];
        let message = message_range(&caller.ring, entry)?;
        let result = caller.ring.range(entry.result_offset, entry.result_bytes).ok_or(status::BAD_RANGE)?;
        let (index, capability) = self.processes[caller.process].handles.find(entry.handle).ok_or(status::STALE)?;
        let segment = segment_of(message, entry.caps & 15);
        match capability.object {
            Object::Served(served) => {
                let slot = SlotRef { process: caller.process, index };
                self.call_served(thread, entry, (slot, capability), served, segment, result)
            }
            _ if entry.flags & flag::SPILLED != 0 => Err(status::BAD_MESSAGE.into()),
            _ => {
                let slot = SlotRef { process: caller.process, index };
                let area = caller.ring.area;
                self.call_kernel(&KernelCall { thread, area, slot, capability, entry, segment, result })
            }
        }
    }

    /// Reads the capability descriptors before a segment; every one must name a capability that may be sent.
    pub(crate) fn sent_caps(&self, thread: Id<Thread>, segment: ArenaRange, count: u8) -> Result<SentCaps, Refusal> {
        let mut caps = SentCaps::NONE;
        if count == 0 {
            return Ok(caps);
        }
        let sender = &self.threads[thread];
        let first = segment.offset - u32::from(count) * DESCRIPTOR_BYTES;
        for i in 0..u32::from(count) {
            let mut words = [0; 2];
            self.platform.read_arena(sender.ring.area, first + i * DESCRIPTOR_BYTES, &mut words);
            let [handle, sent_mode] = words;
            let known = handle == 0 || self.processes[sender.process].handles.get(handle).is_some();
            let moved = sent_mode & mode::MOVE != 0 && handle != 0;
            let twice = caps.as_slice().contains(&handle) && (moved || caps.moved().any(|h| h == handle));
            if !known {
                return Err(refused(i as usize, transfer::STALE));
            } else if twice {
                return Err(refused(i as usize, transfer::MOVED_TWICE));
            } else if sent_mode & !(mode::MOVE | mode::CONFINED) != 0 {
                return Err(refused(i as usize, transfer::UNKNOWN_MODE));
            }
            caps.push(handle, moved, sent_mode & mode::CONFINED != 0);
        }
        Ok(caps)
    }

    /// The first capability of a spilled message must be memory that nobody can write, of a size that the endpoint takes.
    pub(super) fn check_large(
        &self,
        sender: Id<Thread>,
        caps: &SentCaps,
        endpoint: Id<Endpoint>,
    ) -> Result<(), Refusal> {
        let handles = &self.processes[self.threads[sender].process].handles;
        let first = caps.as_slice().first().and_then(|&handle| handles.get(handle));
        let Some(Object::Memory(memory)) = first.map(|c| c.object) else { return Err(status::BAD_MESSAGE.into()) };
        let (memory, limit) = (&self.memory[memory], self.endpoints[endpoint].max_large_bytes);
        match memory {
            memory if !memory.sealed => Err(status::BAD_STATE.into()),
            memory if memory.bytes > limit => Err(Refusal { status: status::TOO_BIG, value: limit }),
            _ => Ok(()),
        }
    }

    fn call_served(
        &mut self,
        thread: Id<Thread>,
        entry: &Submission,
        (slot, capability): (SlotRef, Capability),
        served: Served,
        segment: ArenaRange,
        result: ArenaRange,
    ) -> Result<Step, Refusal> {
        let endpoint = &self.endpoints[served.endpoint];
        let minter_died = served.minter.is_some_and(|m| !self.processes.get(m).is_some_and(|p| p.is_alive()));
        if endpoint.owners == 0 || minter_died {
            return Err(status::STALE.into());
        }
        if segment.bytes > endpoint.max_message_bytes {
            return Err(Refusal { status: status::TOO_BIG, value: endpoint.max_message_bytes.into() });
        }
        let caps = self.sent_caps(thread, segment, entry.caps & 15)?;
        let spilled = entry.flags & flag::SPILLED != 0;
        if spilled {
            self.check_large(thread, &caps, served.endpoint)?;
        }
        let identity = self.identity(slot, &capability, served.endpoint, entry.arg)?;
        self.check_tag(thread, entry.tag)?;
        let accepted = entry.caps >> 4;
        if accepted > 0 {
            self.reserve_handles(self.threads[thread].process, u32::from(accepted))?;
        }
        self.lock_moved(self.threads[thread].process, &caps, true);
        let record = CallRecord {
            handle: entry.handle,
            user_data: entry.user_data,
            state: CallState::Queued { previous: None, next: None },
            endpoint: served.endpoint,
            key: served.key,
            minter: served.minter,
            granted_interface: capability.interface,
            called_interface: entry.interface,
            identity,
            method: entry.method,
            quiet: entry.flags & flag::QUIET != 0,
            spilled,
            accepted,
            segment,
            result,
            deadline: entry.deadline,
            caps,
        };
        self.endpoints[served.endpoint].references += 1;
        self.threads[thread].ring.start(entry.tag, Record::Call(record));
        let call = Waiter { thread, tag: entry.tag };
        // Calls are delivered in order: none overtakes the queue.
        let receiver =
            if self.endpoints[served.endpoint].first.is_none() { self.blocked_receiver(served.endpoint) } else { None };
        match receiver {
            Some((receiver, slot)) => self.deliver(call, receiver, slot),
            None => self.enqueue_call(served.endpoint, call),
        }
        Ok(Step::Pending)
    }

    fn enqueue_call(&mut self, endpoint: Id<Endpoint>, call: Waiter) {
        let last = self.endpoints[endpoint].last.replace(call);
        self.set_queue_links(call, |previous, _| *previous = last);
        match last {
            Some(last) => self.set_queue_links(last, |_, next| *next = Some(call)),
            None => self.endpoints[endpoint].first = Some(call),
        }
    }

    /// Takes a queued call out of its endpoint's queue.
    pub(crate) fn unlink_call(&mut self, endpoint: Id<Endpoint>, call: Waiter) {
        let mut around = (None, None);
        self.set_queue_links(call, |previous, next| around = (previous.take(), next.take()));
        let (before, behind) = around;
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
        if let Some(Record::Call(CallRecord { state: CallState::Queued { previous, next }, .. })) =
            self.threads[call.thread].ring.record_mut(call.tag)
        {
            set(previous, next);
        }
    }
}

/// A capability of a message cannot be sent: which, and why.
pub fn refused(index: usize, why: u8) -> Refusal {
    Refusal { status: status::BAD_CAPABILITY, value: index as u64 | u64::from(why) << transfer::WHY_SHIFT }
}

/// The message's range, with room for the capability descriptors that the entry announces.
pub(super) fn message_range(ring: &Ring, entry: &Submission) -> Result<ArenaRange, Refusal> {
    let range = ring.range(entry.message_offset, entry.message_bytes).ok_or(status::BAD_RANGE)?;
    let descriptors = u32::from(entry.caps & 15) * DESCRIPTOR_BYTES;
    if range.bytes > MAX_MESSAGE_BYTES || descriptors > range.bytes { Err(status::BAD_RANGE.into()) } else { Ok(range) }
}

/// The capnp segment behind the capability descriptors.
pub(super) fn segment_of(message: ArenaRange, caps: u8) -> ArenaRange {
    let descriptors = u32::from(caps) * DESCRIPTOR_BYTES;
    ArenaRange { offset: message.offset + descriptors, bytes: message.bytes - descriptors }
}
