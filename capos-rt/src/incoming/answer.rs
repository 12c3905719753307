//! The answer to a received call: the RETURN leaves when nobody holds parameters or results any more.
use super::{Incoming, live, poll};
use crate::arena::{Range, USUAL_BYTES};
use crate::call::{HEAD_BYTES, USUAL_DESCRIPTORS, copy, empty, larger_range, needed_bytes};
use crate::errors;
use crate::hooks::builder::MessageBuilder;
use crate::hooks::transfer::{self, Outgoing};
use crate::large::{self, Packed};
use crate::receiver::Receiver;
use crate::ring::{self, Ring, SCRATCH_BYTES};
use crate::runtime::{RUNTIME, class};
use capnp::capability::Promise;
use capnp::private::layout::CapTable;
use capnp::{Error, Result};
use capos_abi::ring::{Submission, flag, op};

/// Bytes of an exception's text at most; it travels in the scratch range.
const EXCEPTION_TEXT_BYTES: usize = 600;

/// The method has ended: the answer leaves now, or when its parameters and results are dropped.
#[inline]
pub(super) fn settle(incoming: &'static Incoming, outcome: Result<()>) {
    match (incoming.live.get(), outcome) {
        (0, Ok(())) => answer(incoming),
        (0, Err(error)) => refuse(incoming, &error),
        (live, outcome) => {
            incoming.live.set(live | live::ENDED);
            *incoming.outcome.borrow_mut() = Some(outcome);
        }
    }
}

/// Parameters and results of a method that has ended are dropped.
#[cold]
pub(super) fn end(incoming: &'static Incoming) {
    incoming.live.set(0);
    let outcome = incoming.outcome.borrow_mut().take();
    settle(incoming, outcome.unwrap_or(Ok(())));
}

/// Answers with the results.
#[inline]
fn answer(incoming: &'static Incoming) {
    if let Some(promise) = unkept(incoming) {
        incoming.task.set(Some(promise));
        return poll(incoming);
    }
    let receiver = incoming.receiver();
    match give_back(incoming, receiver) {
        Ok(()) => close(incoming, receiver),
        Err(error) => refuse(incoming, &error),
    }
}

/// Answers with an error.
#[cold]
fn refuse(incoming: &'static Incoming, error: &Error) {
    let receiver = incoming.receiver();
    receiver.count(|load| load.fail(error));
    give_back_error(incoming.token.get(), error);
    if let Some(range) = incoming.range.take() {
        ring::with(|ring| ring.arena.give(range));
    }
    close(incoming, receiver);
}

/// Frees the record of a call that is answered.
#[inline]
fn close(incoming: &'static Incoming, receiver: &Receiver) {
    incoming.token.set(u64::MAX);
    receiver.answered();
    // SAFETY: nobody holds the results any more.
    let (results, sent) = unsafe { (&mut *incoming.results.get(), &mut *incoming.sent.get()) };
    results.forget_spilled();
    empty(sent);
    RUNTIME.incoming.give(incoming);
}

/// What the answer waits for, if it carries a capability that is still promised.
#[inline]
fn unkept(incoming: &Incoming) -> Option<Promise<(), Error>> {
    // SAFETY: nobody holds the results any more.
    let (results, sent) = unsafe { (&mut *incoming.results.get(), &mut *incoming.sent.get()) };
    if sent.is_empty() { None } else { transfer::prepare(results, sent) }
}

/// Puts the RETURN with the results into the ring.
#[inline]
fn give_back(incoming: &Incoming, receiver: &Receiver) -> Result<()> {
    // SAFETY: nobody holds the results any more.
    let (results, sent) = unsafe { (&mut *incoming.results.get(), &mut *incoming.sent.get()) };
    if results.total_words() * 8 + sent.len() as u32 * 8 > incoming.result_bytes.get() {
        return give_back_large(incoming, receiver, results, sent);
    }
    if results.has_spilled() || sent.len() as u32 > USUAL_DESCRIPTORS {
        gather(incoming, results, sent)?;
    }
    let range = incoming.range.take().ok_or_else(no_room)?;
    let outgoing = transfer::describe(results, sent, range).inspect_err(|_| incoming.range.set(Some(range)))?;
    push(incoming, receiver, &outgoing, flag::QUIET);
    RUNTIME.returned(range);
    Ok(())
}

/// Answers with memory: the result does not fit where the caller wants it.
#[cold]
fn give_back_large(
    incoming: &Incoming,
    receiver: &Receiver,
    results: &mut MessageBuilder,
    sent: &mut CapTable,
) -> Result<()> {
    let packed = Packed::new(results, sent)?;
    let range = incoming.range.take().or_else(|| ring::with(|ring| ring.arena.take_usual())).ok_or_else(no_room)?;
    // SAFETY: the range belongs to this answer, and what was built in it is in memory of its own now.
    let (caps, bytes) = unsafe { packed.write(ring::with(|ring| ring.message(range))) };
    let outgoing = Outgoing { caps, offset: Ring::message_offset(range), bytes };
    push(incoming, receiver, &outgoing, flag::QUIET | flag::SPILLED);
    RUNTIME.returned(range);
    *results = MessageBuilder::new();
    // Entries start in order: this one finds the memory gone, unless the answer was refused.
    large::release(packed.into_memory());
    Ok(())
}

/// Puts the RETURN into the ring.
#[inline]
fn push(incoming: &Incoming, receiver: &Receiver, outgoing: &Outgoing, flags: u16) {
    receiver.count(|load| load.answer(outgoing.bytes));
    ring::with(|ring| {
        let entry = Submission {
            op: op::RETURN,
            caps: outgoing.caps,
            flags,
            user_data: class::RETURN | incoming.place.get().bits(),
            message_offset: outgoing.offset,
            message_bytes: outgoing.bytes,
            arg: incoming.token.get(),
            ..Submission::default()
        };
        crate::raw::push_quiet(ring, entry);
    });
}

/// Makes the results one piece.
#[cold]
fn gather(incoming: &Incoming, results: &mut MessageBuilder, sent: &mut CapTable) -> Result<()> {
    let range = match larger_range(results, sent, HEAD_BYTES)? {
        Some(range) => range,
        None => {
            ring::with(|ring| ring.enter(0, 0));
            RUNTIME.settle_returned();
            larger_range(results, sent, HEAD_BYTES)?.or_else(|| spare_for(results, sent)).ok_or_else(no_room)?
        }
    };
    copy(results, sent, range)?;
    if let Some(old) = incoming.range.replace(Some(range)) {
        ring::with(|ring| ring.arena.give(old));
    }
    Ok(())
}

/// The range that is kept for one answer, if it is large enough.
fn spare_for(results: &MessageBuilder, sent: &CapTable) -> Option<Range> {
    let fits = needed_bytes(results, sent) <= USUAL_BYTES;
    if fits { RUNTIME.take_spare() } else { None }
}

#[cold]
fn no_room() -> Error {
    Error::overloaded("the server's message arena is full".into())
}

/// Answers with an exception, through the scratch range and at once.
#[cold]
pub fn give_back_error(token: u64, error: &Error) {
    ring::with(|ring| {
        let mut message = MessageBuilder::new();
        // SAFETY: no blocking operation is running, so nobody uses the scratch range.
        unsafe { message.start(ring.scratch(), SCRATCH_BYTES / 8) };
        errors::to_exception(error, message.root(), EXCEPTION_TEXT_BYTES);
        ring.run(Submission {
            op: op::RETURN,
            flags: flag::EXCEPTION,
            message_bytes: message.words() * 8,
            arg: token,
            ..Submission::default()
        });
    });
}
