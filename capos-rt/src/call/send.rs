//! Sending a call: its message is made one piece in the arena, or packed into memory if it is large, and its entry pushed.
use super::{Call, HEAD_BYTES, State, USUAL_DESCRIPTORS, fail, free};
use crate::arena::{Range, USUAL_BYTES};
use crate::executor::Wakes;
use crate::hooks::builder::MessageBuilder;
use crate::hooks::pipeline::submit_promised;
use crate::hooks::tag::number_of;
use crate::hooks::transfer::{self, Outgoing};
use crate::large::{INLINE_BYTES, Packed};
use crate::ring::{self, Ring};
use crate::runtime::{RUNTIME, class};
use alloc::format;
use alloc::vec::Vec;
use capnp::private::layout::CapTable;
use capnp::traits::{Imbue, ImbueMut};
use capnp::{Error, Result};
use capos_abi::handle::{Handle, NULL};
use capos_abi::message::{CapDescriptor, MAX_CAPS};
use capos_abi::ring::{MAX_MESSAGE_BYTES, Submission, flag, op};
use core::future::Future;
use core::pin::Pin;
use core::ptr;
use core::task::{Context, Poll};

/// Starts a message in a range, behind the room for descriptors.
#[inline]
pub fn start_in(message: &mut MessageBuilder, range: Range) {
    let base = ring::with(|ring| ring.message(range)).wrapping_byte_add(HEAD_BYTES as usize);
    // SAFETY: the range was taken from the arena for this message and is longer than its head.
    unsafe { message.start(base, (range.bytes - HEAD_BYTES) / 8) };
}

/// Sends the request, now or as soon as its target and what it carries are known and there is room.
#[inline]
pub fn submit(call: &'static Call) {
    if call.target.get() == NULL {
        return submit_promised(call);
    }
    if would_overtake(call) || !send(call) {
        wait_for_room(call);
    }
}

#[cold]
fn wait_for_room(call: &'static Call) {
    call.state.set(State::Backlog);
    RUNTIME.backlog.push(call);
    RUNTIME.alarm.watch(call.deadline.get());
}

/// Whether an earlier call of the same capability still waits to be sent.
#[inline]
fn would_overtake(call: &Call) -> bool {
    !RUNTIME.backlog.is_empty() && RUNTIME.backlog.iter().any(|earlier| earlier.target == call.target)
}

/// Sends a call or ends it with an error; false if it has to wait.
#[inline]
fn send(call: &'static Call) -> bool {
    try_send(call).unwrap_or_else(|error| {
        fail(call, error);
        true
    })
}

/// Puts the call into the ring; false if it has to wait.
#[inline]
fn try_send(call: &'static Call) -> Result<bool> {
    // SAFETY: the request was given up by its holder to be sent.
    let (message, sent) = unsafe { (&mut *call.message.get(), &mut *call.sent.get()) };
    if !sent.is_empty() && !is_prepared(call, message, sent)? {
        return Ok(false);
    }
    let is_crowded = sent.len() as u32 > USUAL_DESCRIPTORS;
    if is_crowded || message.has_spilled() || call.result_bytes.get() > USUAL_BYTES {
        if message.has_spilled() && message.total_words() * 8 > INLINE_BYTES {
            return send_large(call, message, sent);
        }
        if !gather(call, message, sent)? {
            return Ok(false);
        }
    }
    let Some(range) = call.range.get() else { return Ok(false) };
    if !RUNTIME.reserve(1) {
        return Ok(false);
    }
    let outgoing = transfer::describe(message, sent, range).inspect_err(|_| RUNTIME.unreserve(1))?;
    push(call, range, &outgoing, 0);
    Ok(true)
}

/// Whether everything that the call carries can be sent. What is still promised is waited for.
#[inline(never)]
fn is_prepared(call: &'static Call, message: &mut MessageBuilder, sent: &mut CapTable) -> Result<bool> {
    let parameters = &call.rare.add().parameters;
    while let Some(mut promise) = parameters.take().or_else(|| transfer::prepare(message, sent)) {
        let waker = call.wake.waker(Wakes::Backlog, 0);
        match Pin::new(&mut promise).poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(kept) => kept?,
            Poll::Pending => {
                parameters.set(Some(promise));
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Puts the call's entry into the ring; its completion was reserved.
#[inline]
fn push(call: &'static Call, range: Range, outgoing: &Outgoing, flags: u16) {
    RUNTIME.calls_in_flight.set(RUNTIME.calls_in_flight.get() + 1);
    // One more than asked for: a large answer comes as memory.
    let accepted = (call.accepted.get() + 1).min(MAX_CAPS as u8);
    ring::with(|ring| {
        let tag = ring.take_tag().expect("there are more tags than completions");
        call.tag.set(tag);
        call.state.set(State::Sent);
        ring.push(Submission {
            op: op::CALL,
            caps: outgoing.caps | accepted << 4,
            flags,
            method: call.method.get(),
            tag,
            handle: call.target.get(),
            interface: call.interface.get(),
            user_data: class::CALL | number_of(call),
            message_offset: outgoing.offset,
            message_bytes: outgoing.bytes,
            result_offset: Ring::message_offset(range),
            result_bytes: range.bytes.min(MAX_MESSAGE_BYTES),
            deadline: call.deadline.get(),
            arg: call.disclosing.get().into(),
        });
    });
}

/// Sends a message that does not fit as memory; false if the ring or its arena has no room yet.
#[cold]
fn send_large(call: &'static Call, message: &mut MessageBuilder, sent: &mut CapTable) -> Result<bool> {
    let wanted = call.result_bytes.get().max(USUAL_BYTES);
    let range = match call.range.get().filter(|range| range.bytes >= wanted) {
        Some(range) => range,
        None => {
            let Some(range) = ring::with(|ring| ring.arena.take(wanted)) else { return Ok(false) };
            if let Some(old) = call.range.replace(Some(range)) {
                ring::with(|ring| ring.arena.give(old));
            }
            range
        }
    };
    if !RUNTIME.reserve(1) {
        return Ok(false);
    }
    let packed = Packed::new(message, sent).inspect_err(|_| RUNTIME.unreserve(1))?;
    // SAFETY: the range belongs to this call, and what was built in it is in memory of its own now.
    let (caps, bytes) = unsafe { packed.write(ring::with(|ring| ring.message(range))) };
    let rare = call.rare.add();
    rare.large_bytes.set(packed.bytes());
    rare.large.set(packed.into_memory());
    let outgoing = Outgoing { caps, offset: Ring::message_offset(range), bytes };
    push(call, range, &outgoing, flag::SPILLED);
    *message = MessageBuilder::new();
    Ok(true)
}

/// Makes the message one piece in a range that is large enough; false if the arena has no room now.
#[cold]
fn gather(call: &Call, message: &mut MessageBuilder, sent: &mut CapTable) -> Result<bool> {
    let Some(range) = larger_range(message, sent, call.result_bytes.get())? else { return Ok(false) };
    copy(message, sent, range)?;
    if let Some(old) = call.range.replace(Some(range)) {
        ring::with(|ring| ring.arena.give(old));
    }
    call.result_bytes.set(0);
    Ok(true)
}

/// A range for the whole message and at least `bytes`; `None` if the arena has no room now.
pub fn larger_range(message: &MessageBuilder, caps: &CapTable, bytes: u32) -> Result<Option<Range>> {
    let needed = needed_bytes(message, caps);
    ring::with(|ring| {
        let limit = ring.arena.bytes().min(MAX_MESSAGE_BYTES);
        if needed > limit {
            return Err(Error::overloaded(format!(
                "the message has {needed} bytes, more than the {limit} that the ring can carry"
            )));
        }
        Ok(ring.arena.take(needed.max(bytes.min(limit))))
    })
}

/// Bytes of a range for the whole message and its descriptors, at most.
pub fn needed_bytes(message: &MessageBuilder, caps: &CapTable) -> u32 {
    let descriptors = (caps.len() as u32).max(USUAL_DESCRIPTORS) * size_of::<CapDescriptor>() as u32;
    descriptors + message.total_words() * 8
}

/// Copies a message, with what its capability pointers name, into a range.
pub fn copy(message: &mut MessageBuilder, caps: &mut CapTable, range: Range) -> Result<()> {
    let mut whole = MessageBuilder::new();
    start_in(&mut whole, range);
    copy_to(message, caps, &mut whole).inspect_err(|_| ring::with(|ring| ring.arena.give(range)))?;
    *message = whole;
    Ok(())
}

/// Copies a message, with what its capability pointers name, to where `whole` starts.
pub fn copy_to(message: &mut MessageBuilder, caps: &mut CapTable, whole: &mut MessageBuilder) -> Result<()> {
    let mut named = CapTable::new();
    let mut from = message.root().into_reader();
    from.imbue(caps);
    let mut to = whole.root();
    to.imbue_mut(&mut named);
    to.set_as(from)?;
    if whole.has_spilled() {
        return Err(Error::failed("the message grew while it was copied".into()));
    }
    *caps = named;
    Ok(())
}

/// Tries again to send the calls that wait, those of each capability in their order.
#[cold]
pub fn retry_backlog() {
    let mut waiting: Vec<Handle> = Vec::new();
    for call in RUNTIME.backlog.take() {
        let target = call.target.get();
        if call.state.get() != State::Backlog {
            free(call);
        } else if waiting.contains(&target) {
            RUNTIME.backlog.push(call);
        } else if !send(call) {
            waiting.push(target);
            RUNTIME.backlog.push(call);
        }
    }
}

/// Whether a call waits for a promise: only futures that run can keep it.
pub fn is_held_up() -> bool {
    RUNTIME.backlog.iter().filter_map(|call| call.rare.get()).any(|rare| {
        let promise = rare.parameters.take();
        let is_promised = promise.is_some();
        rare.parameters.set(promise);
        is_promised
    })
}

/// Takes a call out of the backlog, so that those behind it may go; false if the backlog is just being tried.
#[cold]
pub fn leave_backlog(call: &'static Call) -> bool {
    let has_left = RUNTIME.backlog.remove(|waiting| ptr::eq(waiting, call));
    if has_left {
        call.wake.waker(Wakes::Backlog, 0).wake();
    }
    has_left
}
