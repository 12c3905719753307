//! Delivery: a call moves from its caller's arena into a slot of a server's pool.
use super::Refusal;
use super::call::refused;
use crate::Kernel;
use crate::authority::capability::{Capability, Object};
use crate::authority::grant;
use crate::authority::handle::SlotRef;
use crate::authority::revoke::Uses;
use crate::execution::process::Process;
use crate::execution::stay::{Stay, cost};
use crate::execution::thread::{State, Thread};
use crate::ipc::endpoint::Endpoint;
use crate::ipc::record::{CallState, HEADER_WORDS, Letter, Record, Waiter};
use crate::ipc::ring::Ring;
use crate::ipc::sent::SentCaps;
use crate::lifecycle::chore::Chore;
use crate::platform::{Platform, RingArea};
use crate::slab::{Id, Slab};
use capos_abi::handle::{Handle, NULL};
use capos_abi::ring::{Completion, completion_flag, kind};
use capos_abi::status::{self, transfer};

/// Bytes of the header before a delivered message.
pub(super) const HEADER_BYTES: u32 = (HEADER_WORDS * size_of::<u64>()) as u32;
/// Bytes of a handle before a message.
pub(super) const HANDLE_BYTES: u32 = size_of::<Handle>() as u32;
/// Completions of a delivery: itself, and the notice that its caller is gone.
const DELIVERY_COMPLETIONS: u32 = 2;

impl<P: Platform> Kernel<P> {
    /// Takes one queued call, or one notice of an unreferenced origin, into this RECV; false if there is none or no room.
    pub(crate) fn pull_one(&mut self, receiver: Waiter) -> bool {
        let ring = &self.threads[receiver.thread].ring;
        let Record::Receive(receive) = ring.record(receiver.tag) else { return false };
        let (endpoint, slot) = (receive.endpoint, free_slot(ring, receiver.tag));
        if self.pull_notice(endpoint, receiver) {
            return true;
        }
        let (Some(call), Some(slot)) = (self.endpoints[endpoint].first, slot) else { return false };
        self.unlink_call(endpoint, call);
        self.deliver(call, receiver, slot);
        true
    }

    /// Whether calls or notices wait for this RECV.
    pub(crate) fn has_work(&self, receiver: Waiter) -> bool {
        let server = &self.threads[receiver.thread];
        let Record::Receive(receive) = server.ring.record(receiver.tag) else { return false };
        let endpoint = &self.endpoints[receive.endpoint];
        endpoint.first.is_some() || endpoint.has_notices(server.process)
    }

    /// Moves a call that is in no queue into a free slot, or refuses it if its capabilities cannot be transferred.
    #[inline(never)]
    pub(super) fn deliver(&mut self, call: Waiter, receiver: Waiter, slot: u16) {
        if let Some(parcel) = send_off(&mut self.threads[call.thread].ring, call, receiver, slot) {
            self.hand_parcel(&parcel, receiver, slot);
        }
    }

    /// Puts a call that is on its way into a free slot.
    #[inline(always)]
    pub(super) fn hand_parcel(&mut self, parcel: &Parcel, receiver: Waiter, slot: u16) {
        self.stay.spend(parcel.cost());
        let server = &mut self.threads[receiver.thread];
        let Some((start, completion)) = accept(&mut server.ring, &self.platform, receiver.tag, slot, parcel) else {
            return;
        };
        if parcel.carried > 0 {
            self.deliver_caps(parcel.call, receiver, start + HEADER_BYTES, completion);
        } else if server.complete(&self.platform, receiver.thread.index(), &completion) {
            self.hand_over(receiver.thread);
        }
    }

    /// Ends the delivery of a call that carries capabilities: their handles go to `place` in the server's arena, or the call is
    /// refused.
    #[inline(never)]
    fn deliver_caps(&mut self, call: Waiter, receiver: Waiter, place: u32, completion: Completion) {
        let (from, server) = (self.threads[call.thread].process, &self.threads[receiver.thread]);
        let Record::Receive(receive) = server.ring.record(receiver.tag) else { return };
        let (to, accepted, target) = (server.process, receive.accepted, server.ring.area);
        let caps = *self.threads[call.thread].ring.carried(call.tag);
        match self.hand_caps(&caps, (from, to), accepted, (target, place)) {
            Ok(flags) => {
                self.complete(receiver.thread, &Completion { flags, ..completion });
                self.end_moved(from, &caps, Some(call));
            }
            Err(refusal) => self.refuse_delivery(call, receiver, completion.slot, refusal),
        }
    }

    /// Hands the capabilities that a call carries to the server: their handles go where `place` says. The flags of the
    /// completion that tells of them.
    fn hand_caps(
        &mut self,
        caps: &SentCaps,
        (from, to): (Id<Process>, Id<Process>),
        accepted: u8,
        place: (RingArea, u32),
    ) -> Result<u16, Refusal> {
        let count = u32::from(caps.len());
        self.prepare_to_move(caps.moves())?;
        if caps.len() > accepted {
            return Err(Refusal::with(status::NOT_ACCEPTED, accepted.into()));
        }
        if self.reserve_handles(to, count).is_err() {
            return Err(status::NOT_ACCEPTED.into());
        }
        self.transfer((from, to), caps, place).inspect_err(|_| self.unreserve_handles(to, count))
    }

    /// Ends a call whose capabilities could not be handed over; its slot is free again.
    fn refuse_delivery(&mut self, call: Waiter, receiver: Waiter, slot: u16, refusal: Refusal) {
        let ring = &mut self.threads[receiver.thread].ring;
        ring.positions.unreserve(DELIVERY_COMPLETIONS);
        if let Some(Record::Receive(receive)) = ring.record_mut(receiver.tag) {
            receive.vacate(slot);
        }
        self.end_call(call, refusal.status, refusal.value);
    }

    /// Has what its sender was doing with capabilities that have moved ended, but not the call that carried them. Only when their
    /// message has arrived: what ends may be the reception or the call that it belongs to. There is room:
    /// [`Self::prepare_to_move`] came before.
    pub(super) fn end_moved(&mut self, from: Id<Process>, caps: &SentCaps, carrier: Option<Waiter>) {
        caps.moved().for_each(|handle| self.chores.push(Chore::Moved(Uses::of_moved(from, handle, carrier))));
    }

    /// Whether a message moves capabilities while too much of what follows such moves is still to be done.
    pub(super) fn must_wait_for_moves(&self, moves: u8) -> bool {
        moves > 0 && self.chores.is_behind()
    }

    /// Makes sure that there is room for what [`Self::end_moved`] leaves to do.
    pub(super) fn prepare_to_move(&mut self, moves: u8) -> Result<(), Refusal> {
        if moves > 0 {
            self.prepare_moves(moves.into())?;
        }
        Ok(())
    }

    /// Copies or moves capabilities into reserved slots of another process: all of them, or none. Their handles, 0 for none, go to
    /// `place` in its arena. The flags of the completion that tells of them. [`Self::end_moved`] follows.
    pub(super) fn transfer(
        &mut self,
        (from, to): (Id<Process>, Id<Process>),
        caps: &SentCaps,
        (area, place): (RingArea, u32),
    ) -> Result<u16, Refusal> {
        let sender = &self.processes[from].handles;
        if let Some(stale) = caps.as_slice().iter().position(|&h| h != NULL && sender.get_any(h).is_none()) {
            return Err(refused(stale, transfer::STALE));
        }
        if let Some(confined) = self.confined_to(from, caps, to) {
            return Err(refused(confined, transfer::CONFINED));
        }
        let mut flags = 0;
        for (i, &handle) in caps.as_slice().iter().enumerate() {
            let received = match self.held(from, handle) {
                Some((source, capability)) => {
                    if is_minted_by(&capability, to) {
                        flags = completion_flag::OWN_OBJECT;
                    }
                    let arrived = match caps.is_moved(i) {
                        true => self.move_slot(source, capability, to),
                        false => self.insert_derived(source, to, capability),
                    };
                    if caps.is_confined(i) {
                        self.processes[to].handles.confine(arrived.index);
                    }
                    self.handle_of(arrived)
                }
                None => {
                    self.unreserve_handles(to, 1);
                    NULL
                }
            };
            self.platform.write_arena_words(area, place + i as u32 * HANDLE_BYTES, [received]);
        }
        Ok(flags)
    }

    /// The slot that a handle names, on its way elsewhere or not, and the capability in it.
    #[inline]
    fn held(&self, process: Id<Process>, handle: Handle) -> Option<(SlotRef, Capability)> {
        let handles = &self.processes[process].handles;
        Some((SlotRef { process, index: handles.any_index_of(handle)? }, *handles.get_any(handle)?))
    }

    /// The receiver's slot takes the place of the sender's in the grant tree.
    fn move_slot(&mut self, source: SlotRef, capability: Capability, to: Id<Process>) -> SlotRef {
        let arrived = self.insert_root(to, capability);
        grant::replace(&mut self.processes, source, arrived);
        self.release_slot(source);
        arrived
    }
}

/// A call on its way from its caller's arena into a slot.
pub struct Parcel {
    call: Waiter,
    source: RingArea,
    letter: Letter,
    carried: u8,
}

impl Parcel {
    /// A call with so many capabilities, which lies in that area.
    #[inline]
    pub fn new(call: Waiter, source: RingArea, letter: Letter, carried: u8) -> Self {
        Self { call, source, letter, carried }
    }

    /// What its delivery costs a stay.
    #[inline]
    pub fn cost(&self) -> u32 {
        cost::TRANSFER + self.letter.segment.bytes / cost::BYTES_PER_INSTRUCTION
    }
}

/// Takes a queued call off, and notes where it lies from now on.
fn send_off(ring: &mut Ring, call: Waiter, receiver: Waiter, slot: u16) -> Option<Parcel> {
    let source = ring.area;
    let Some(Record::Call(record)) = ring.record_mut(call.tag) else { return None };
    let CallState::Queued { letter, .. } = record.state else { return None };
    record.state = CallState::Delivered { receiver, slot };
    Some(Parcel::new(call, source, letter, record.caps))
}

/// The server's side of a delivery: takes the message into a free slot. Where the slot begins, and the completion that tells of it.
#[inline(always)]
pub fn accept(
    ring: &mut Ring,
    platform: &impl Platform,
    tag: u16,
    slot: u16,
    parcel: &Parcel,
) -> Option<(u32, Completion)> {
    let &Parcel { call, source, letter: Letter { header, segment, .. }, carried } = parcel;
    let target = ring.area;
    let Some(Record::Receive(receive)) = ring.record_mut(tag) else { return None };
    let (user_data, start) = (receive.user_data, receive.pool_offset + u32::from(slot) * receive.slot_bytes);
    let generation = receive.occupy(slot, call);
    // A slot is free only if there is room for its completions.
    ring.positions.reserve_free(DELIVERY_COMPLETIONS);
    let prefix = HEADER_BYTES + u32::from(carried) * HANDLE_BYTES;
    platform.write_arena_words(target, start, header);
    platform.copy_arena(source, segment.offset, target, start + prefix, segment.bytes);
    let completion = Completion {
        user_data,
        bytes: prefix + segment.bytes,
        kind: kind::DELIVERY,
        caps: carried,
        tag,
        slot,
        value: token(generation, tag, slot),
        ..Completion::default()
    };
    Some((start, completion))
}

/// Whether this process minted the object.
fn is_minted_by(capability: &Capability, minter: Id<Process>) -> bool {
    matches!(capability.object, Object::Served(served) if served.minter == Some(minter))
}

/// A free slot of a receiver of this endpoint that is blocked in `cap_enter`; the next search starts behind it.
#[inline(always)]
pub(super) fn free_place(threads: &Slab<Thread>, endpoint: &mut Endpoint, stay: &mut Stay) -> Option<(Waiter, u16)> {
    match *endpoint.receivers {
        [only] => waiting_slot(threads, only).map(|slot| (only, slot)),
        _ => search_place(threads, endpoint, stay),
    }
}

/// As [`free_place`], among several receivers.
#[inline(never)]
fn search_place(threads: &Slab<Thread>, endpoint: &mut Endpoint, stay: &mut Stay) -> Option<(Waiter, u16)> {
    let listed = endpoint.receivers.len() as u32 * cost::LISTED;
    stay.spend(listed);
    let slots = endpoint.receivers.iter().map(|&receiver| (receiver, waiting_slot(threads, receiver)));
    let (at, receiver, slot) = slots.enumerate().find_map(|(at, (receiver, slot))| Some((at, receiver, slot?)))?;
    stay.spend(listed);
    endpoint.rotate_receivers(at + 1);
    Some((receiver, slot))
}

/// A free slot of a receiver's pool, if the receiver is blocked in `cap_enter`.
#[inline(always)]
fn waiting_slot(threads: &Slab<Thread>, receiver: Waiter) -> Option<u16> {
    let server = &threads[receiver.thread];
    if matches!(server.state, State::Blocked(_)) { free_slot(&server.ring, receiver.tag) } else { None }
}

/// A free slot of a RECV's pool, if its ring has room for the completions of a delivery.
#[inline(always)]
pub fn free_slot(ring: &Ring, tag: u16) -> Option<u16> {
    match ring.used(tag) {
        Some(Record::Receive(receive)) if ring.positions.has_free(DELIVERY_COMPLETIONS) => receive.free_slot(),
        _ => None,
    }
}

/// The token that names a delivered call: generation of the slot, tag of the RECV, slot.
fn token(generation: u32, tag: u16, slot: u16) -> u64 {
    u64::from(generation) << 32 | u64::from(tag) << 16 | u64::from(slot)
}

/// Takes a token apart.
pub fn parse_token(token: u64) -> (u32, u16, u16) {
    ((token >> 32) as u32, (token >> 16) as u16, token as u16)
}
