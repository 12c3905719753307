//! The answer of a call: read where it came, told to those who wait, or turned into an error.
use super::end::{forget_target, free, give_back};
use super::rare::Parts;
use super::{Call, State, empty};
use crate::errors;
use crate::hooks::pipeline::submit_promised;
use crate::hooks::transfer;
use crate::large::{self, Received};
use crate::raw::Failure;
use crate::ring;
use crate::runtime::RUNTIME;
use capnp::capability::Response;
use capnp::traits::Imbue;
use capnp::{Error, Result, any_pointer};
use capos_abi::ring::{Completion, completion_flag};
use capos_abi::status::{self, Status};
use core::task::Waker;

/// Status of a call whose answer did not come over the ring.
const ELSEWHERE: Status = Status::MAX;
/// Status of a call that no completion has ended.
const FAILED_HERE: Status = Status::MIN;

impl Call {
    /// Whether the answer is a reply that came over the ring.
    #[inline]
    fn has_reply(&self) -> bool {
        self.status.get() == status::OK
    }

    /// Notes why there is no answer.
    #[cold]
    fn set_error(&self, error: Error) {
        self.status.set(FAILED_HERE);
        self.rare.add().error.replace(Some(error));
    }
}

/// The call's completion.
#[inline]
pub fn finish(call: &'static Call, completion: &Completion) {
    RUNTIME.unreserve(1);
    RUNTIME.calls_in_flight.set(RUNTIME.calls_in_flight.get() - 1);
    ring::with(|ring| ring.give_tag(completion.tag));
    forget_target(call);
    // SAFETY: the message was sent; nobody else uses its table.
    empty(unsafe { &mut *call.sent.get() });
    if let Some(rare) = call.rare.get() {
        large::release(rare.large.take());
    }
    call.status.set(completion.status);
    match completion.status {
        status::OK | status::EXCEPTION => read_reply(call, completion),
        _ => call.rare.add().figures.set((completion.value, completion.bytes)),
    }
    if call.state.get() == State::Orphan {
        free(call);
    } else {
        done(call);
    }
}

#[inline]
fn read_reply(call: &Call, completion: &Completion) {
    let Some(range) = call.range.get() else { return };
    let base = ring::with(|ring| ring.message(range));
    let caps = usize::from(completion.caps);
    let own = completion.flags & completion_flag::OWN_OBJECT != 0;
    if completion.flags & completion_flag::SPILLED != 0 {
        return read_large_reply(call, base, caps, own);
    }
    // SAFETY: the kernel has written so many bytes to the range (it checked them against its length) and is done with it.
    unsafe { call.reply.start(base.add(caps), (completion.bytes / 8).saturating_sub(caps as u32)) };
    if caps != 0 {
        // SAFETY: nobody reads the capabilities of an answer before it is there; the handles stand before the message.
        unsafe { transfer::receive(base, caps, own, &mut *call.received.get()) };
    }
}

/// The answer lies in the memory that is the first of its capabilities.
#[cold]
fn read_large_reply(call: &Call, base: *const u64, caps: usize, own: bool) {
    // SAFETY: a result that was sent so has a capability at least, then a word; nobody reads an answer before it is there.
    let (memory, bytes) = unsafe { (base.read(), base.add(caps).read()) };
    // SAFETY: as above.
    unsafe { transfer::receive(base.add(1), caps - 1, own, &mut *call.received.get()) };
    match Received::new(memory, bytes) {
        Ok(received) => {
            // SAFETY: nobody can write sealed memory, and it stays mapped until the record is freed.
            unsafe { call.reply.start(received.base(), received.words()) };
            call.rare.add().large_reply.set(Some(received));
        }
        Err(error) => call.set_error(error),
    }
}

/// Tells those who wait that the answer is there.
#[inline]
fn done(call: &Call) {
    call.state.set(State::Done);
    if let Some(waker) = call.waker.take() {
        waker.wake();
    }
    if let Some(rare) = call.rare.get() {
        tell_others(rare);
    }
}

#[cold]
fn tell_others(rare: &Parts) {
    rare.other_wakers.take().into_iter().for_each(Waker::wake);
    rare.waiters.take().into_iter().for_each(submit_promised);
}

/// Ends the call, which is not in the ring, with an error.
#[cold]
pub fn fail(call: &'static Call, error: Error) {
    give_back(call);
    call.set_error(error);
    done(call);
}

/// Ends a call that was passed on.
pub fn answer_with(call: &'static Call, outcome: Result<Response<any_pointer::Owned>>) {
    match outcome {
        Ok(response) => {
            // SAFETY: nobody reads an answer before it is there.
            unsafe { *call.rare.add().elsewhere.get() = Some(response) };
            call.status.set(ELSEWHERE);
            done(call);
        }
        Err(error) => fail(call, error),
    }
}

/// Wakes `waker` when the answer is there.
#[inline]
pub fn wake_when_done(call: &Call, waker: &Waker) {
    match call.waker.replace(Some(waker.clone())) {
        Some(other) if !other.will_wake(waker) => {
            let mut others = call.rare.add().other_wakers.borrow_mut();
            others.retain(|known| !known.will_wake(waker));
            others.push(other);
        }
        _ => {}
    }
}

/// Whether the answer is there.
#[inline]
pub fn is_done(call: &Call) -> bool {
    call.state.get() == State::Done
}

/// Whether the call succeeded, or why it did not. The answer is there.
#[inline]
pub fn outcome(call: &'static Call) -> Result<()> {
    if call.has_reply() { Ok(()) } else { without_reply(call).map(drop) }
}

/// The answer's root pointer, or why there is none.
///
/// # Safety
/// The caller holds a reference to the call for as long as the reader lives, and the answer is there.
#[inline]
pub unsafe fn answer<'a>(call: &'static Call) -> Result<any_pointer::Reader<'a>> {
    if !call.has_reply() {
        return without_reply(call);
    }
    let mut root = call.reply.root()?;
    // SAFETY: the table does not change while a reference to the answered call exists.
    root.imbue(unsafe { &*call.received.get() });
    Ok(root)
}

/// What stands in the place of a reply that came over the ring.
#[cold]
fn without_reply<'a>(call: &'static Call) -> Result<any_pointer::Reader<'a>> {
    if call.status.get() != ELSEWHERE {
        return Err(failure(call));
    }
    // SAFETY: the answer is there and stays as it is until nobody refers to the call.
    match unsafe { &*call.rare.add().elsewhere.get() } {
        Some(response) => response.hook.get(),
        None => Err(failure(call)),
    }
}

fn failure(call: &Call) -> Error {
    let rare = call.rare.add();
    let (value, bytes) = rare.figures.get();
    match call.status.get() {
        status::EXCEPTION => call.reply.root().map_or_else(|error| error, errors::from_exception),
        status::TOO_BIG => errors::too_big(sent_bytes(call), value),
        status => rare.error.borrow().clone().unwrap_or_else(|| errors::from_failure(Failure { status, bytes, value })),
    }
}

/// Bytes of a request that was sent.
fn sent_bytes(call: &Call) -> u32 {
    match call.rare.add().large_bytes.get() {
        // SAFETY: nobody builds in a request that was sent.
        0 => unsafe { &*call.message.get() }.words() * 8,
        large => large,
    }
}
