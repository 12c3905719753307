//! Delivery: a call moves from its caller's arena into a slot of a server's pool.
use super::Refusal;
use super::call::refused;
use crate::Kernel;
use crate::capability::Object;
use crate::endpoint::Endpoint;
use crate::grant;
use crate::handle::SlotRef;
use crate::platform::Platform;
use crate::process::Process;
use crate::record::{CallRecord, CallState, PoolSlotState, Record, SentCaps, Waiter};
use crate::slab::Id;
use crate::stay::cost;
use crate::thread::State;
use capos_abi::message::{DeliveryHeader, MAX_CAPS, delivery_flag};
use capos_abi::ring::{Completion, kind};
use capos_abi::status::{self, transfer};

/// Bytes of the header before a delivered message.
pub(super) const HEADER_BYTES: u32 = size_of::<DeliveryHeader>() as u32;
/// Completions of a delivery: itself, and the notice that its caller is gone.
const DELIVERY_COMPLETIONS: u32 = 2;

impl<P: Platform> Kernel<P> {
    /// A receiver that is blocked in `cap_enter` and has a free slot; the next search starts behind it.
    pub(super) fn blocked_receiver(&mut self, endpoint: Id<Endpoint>) -> Option<(Waiter, u16)> {
        let receivers = &self.endpoints[endpoint].receivers;
        let ready = |r: &Waiter| matches!(self.threads[r.thread].state, State::Blocked(_));
        let (at, slot) =
            receivers.iter().enumerate().filter(|(_, r)| ready(r)).find_map(|(i, r)| Some((i, self.free_slot(*r)?)))?;
        let receivers = &mut self.endpoints[endpoint].receivers;
        let receiver = receivers.get(at).copied()?;
        if receivers.len() > 1 {
            receivers.rotate_left(at + 1);
        }
        Some((receiver, slot))
    }

    /// A free slot of a RECV's pool, if its ring has room for the completions of a delivery.
    fn free_slot(&self, receiver: Waiter) -> Option<u16> {
        let ring = &self.threads[receiver.thread].ring;
        let Record::Receive(receive) = ring.record(receiver.tag) else { return None };
        if ring.free_completions() < DELIVERY_COMPLETIONS {
            return None;
        }
        receive.slots.iter().position(|s| s.state == PoolSlotState::Free).map(|i| i as u16)
    }

    /// Takes one queued call, or one notice of an unreferenced origin, into this RECV; false if there is none or no room.
    pub(crate) fn pull_one(&mut self, receiver: Waiter) -> bool {
        let Record::Receive(receive) = self.threads[receiver.thread].ring.record(receiver.tag) else { return false };
        let endpoint = receive.endpoint;
        if self.endpoints[endpoint].unreferenced.is_empty() && self.endpoints[endpoint].first.is_none() {
            return false;
        }
        if self.pull_notice(endpoint, receiver) {
            return true;
        }
        let (Some(call), Some(slot)) = (self.endpoints[endpoint].first, self.free_slot(receiver)) else { return false };
        self.unlink_call(endpoint, call);
        self.deliver(call, receiver, slot);
        true
    }

    /// Moves a call that is in no queue into a free slot, or refuses it if its capabilities cannot be transferred.
    pub(super) fn deliver(&mut self, call: Waiter, receiver: Waiter, slot: u16) {
        let Record::Call(record) = self.threads[call.thread].ring.record(call.tag) else { return };
        let Record::Receive(receive) = self.threads[receiver.thread].ring.record(receiver.tag) else { return };
        if record.caps.len() > receive.accepted {
            return self.end_call(call, status::NOT_ACCEPTED, receive.accepted.into());
        }
        let caps = record.caps;
        let header = header_of(record);
        let (segment, pool, slot_bytes) = (record.segment, receive.pool_offset, receive.slot_bytes);
        let (from, to) = (self.threads[call.thread].process, self.threads[receiver.thread].process);
        if self.reserve_handles(to, u32::from(caps.len())).is_err() {
            return self.end_call(call, status::NOT_ACCEPTED, 0);
        }
        let handles = match self.transfer(from, to, &caps) {
            Ok(handles) => handles,
            Err(refusal) => {
                self.unreserve_handles(to, u32::from(caps.len()));
                return self.end_call(call, refusal.status, refusal.value);
            }
        };
        let (source, target) = (self.threads[call.thread].ring.area, self.threads[receiver.thread].ring.area);
        let start = pool + u32::from(slot) * slot_bytes;
        let cap_bytes = u32::from(caps.len()) * 8;
        self.platform.write_arena(target, start, &header);
        if cap_bytes > 0 {
            self.platform.write_arena(
                target,
                start + HEADER_BYTES,
                handles.get(..usize::from(caps.len())).unwrap_or_default(),
            );
        }
        self.stay.spend(cost::TRANSFER);
        self.stay.spend_bytes(segment.bytes);
        self.platform.copy_arena(source, segment.offset, target, start + HEADER_BYTES + cap_bytes, segment.bytes);
        self.occupy(call, receiver, slot, HEADER_BYTES + cap_bytes + segment.bytes, caps.len());
    }

    /// Marks the slot as holding the call, and tells the server.
    fn occupy(&mut self, call: Waiter, receiver: Waiter, slot: u16, bytes: u32, caps: u8) {
        if let Some(Record::Call(record)) = self.threads[call.thread].ring.record_mut(call.tag) {
            record.state = CallState::Delivered { receiver, slot };
        }
        let ring = &mut self.threads[receiver.thread].ring;
        let reserved = ring.reserve(DELIVERY_COMPLETIONS);
        debug_assert!(reserved, "a free slot has room for its completions");
        let Some(Record::Receive(receive)) = ring.record_mut(receiver.tag) else { return };
        let user_data = receive.user_data;
        let Some(place) = receive.slots.get_mut(usize::from(slot)) else { return };
        place.generation = place.generation.wrapping_add(1);
        place.state = PoolSlotState::Call(call);
        let value = token(place.generation, receiver.tag, slot);
        let completion = Completion {
            user_data,
            bytes,
            kind: kind::DELIVERY,
            caps,
            tag: receiver.tag,
            slot,
            value,
            ..Completion::default()
        };
        self.complete(receiver.thread, &completion);
    }

    /// Copies or moves capabilities into reserved slots of another process: all of them, or none.
    pub(super) fn transfer(
        &mut self,
        from: Id<Process>,
        to: Id<Process>,
        caps: &SentCaps,
    ) -> Result<[u64; MAX_CAPS], Refusal> {
        let mut received = [0; MAX_CAPS];
        let sender = &self.processes[from].handles;
        if let Some(stale) = caps.as_slice().iter().position(|&h| h != 0 && sender.any_index_of(h).is_none()) {
            return Err(refused(stale, transfer::STALE));
        }
        if let Some(confined) = self.confined_to(from, caps, to) {
            return Err(refused(confined, transfer::CONFINED));
        }
        for (i, (place, &handle)) in received.iter_mut().zip(caps.as_slice()).enumerate() {
            let Some(index) = self.processes[from].handles.any_index_of(handle) else {
                self.unreserve_handles(to, 1);
                continue;
            };
            let source = SlotRef { process: from, index };
            let arrived = if caps.is_moved(i) { self.move_slot(source, to) } else { self.copy_slot(source, to) };
            if let Some(slot) = arrived
                && caps.is_confined(i)
            {
                self.processes[to].handles.confine(slot.index);
            }
            *place = arrived.map_or(0, |slot| self.handle_of(slot));
        }
        Ok(received)
    }

    fn copy_slot(&mut self, source: SlotRef, to: Id<Process>) -> Option<SlotRef> {
        let capability = *self.processes[source.process].handles.slot(source.index)?.capability()?;
        Some(self.insert_derived(source, to, capability))
    }

    /// The receiver's slot takes the place of the sender's in the grant tree.
    fn move_slot(&mut self, source: SlotRef, to: Id<Process>) -> Option<SlotRef> {
        let capability = *self.processes[source.process].handles.slot(source.index)?.capability()?;
        let arrived = self.insert_root(to, capability);
        grant::replace(&mut self.processes, source, arrived);
        self.end_operations(source);
        if matches!(capability.object, Object::Memory(_)) {
            self.reattribute_mappings(source, Some(arrived));
        }
        self.release_slot(source);
        Some(arrived)
    }

    /// Locks or unlocks the slots of capabilities that are moved.
    pub(super) fn lock_moved(&mut self, process: Id<Process>, caps: &SentCaps, locked: bool) {
        let Some(entry) = self.processes.get_mut(process) else { return };
        for handle in caps.moved() {
            if let Some(index) = entry.handles.any_index_of(handle)
                && let Some(slot) = entry.handles.slot_mut(index)
            {
                slot.locked = locked;
            }
        }
    }
}

fn header_of(call: &CallRecord) -> [u64; 8] {
    let [first, second] = call.identity.session;
    let flags = if call.spilled { delivery_flag::SPILLED } else { 0 };
    let lengths = u64::from(call.segment.bytes)
        | u64::from(call.method) << 32
        | u64::from(call.caps.len()) << 48
        | u64::from(flags) << 56;
    [
        call.granted_interface,
        call.key,
        call.called_interface,
        lengths,
        u64::from(call.result.bytes) | u64::from(call.identity.disclosed) << 32,
        call.deadline,
        first,
        second,
    ]
}

/// The token that names a delivered call: generation of the slot, tag of the RECV, slot.
fn token(generation: u32, tag: u16, slot: u16) -> u64 {
    u64::from(generation) << 32 | u64::from(tag) << 16 | u64::from(slot)
}

/// Takes a token apart.
pub(super) fn parse_token(token: u64) -> (u32, u16, u16) {
    ((token >> 32) as u32, (token >> 16) as u16, token as u16)
}
