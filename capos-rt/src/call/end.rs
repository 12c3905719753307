//! How calls are given up and come to their end: references, what is taken back, and the record that is free again.
use super::send::leave_backlog;
use super::{Call, State, get};
use crate::hooks::builder::MessageBuilder;
use crate::hooks::pipeline::leave_promise;
use crate::ring;
use crate::runtime::RUNTIME;
use capos_abi::handle::NULL;
use capos_abi::ring::{Submission, flag, op};
use capos_abi::status;
use core::task::Waker;

/// Adds a reference.
#[inline]
pub fn add_reference(index: u32) {
    let references = &get(index).references;
    references.set(references.get() + 1);
}

/// Takes a reference away; without any, the call is cancelled or its answer forgotten.
#[inline]
pub fn drop_reference(index: u32) {
    let call = get(index);
    let left = call.references.get() - 1;
    call.references.set(left);
    if left == 0 {
        match call.state.get() {
            State::Sent => cancel(call),
            State::Backlog | State::Promised => withdraw(index, call),
            State::PassedOn => abandon(call),
            _ => free(index, call),
        }
    }
}

/// Frees a call that has not left, and that nobody wants.
#[cold]
fn withdraw(index: u32, call: &'static Call) {
    match take_back(index, call) {
        true => free(index, call),
        // Whoever goes through the list that it was in frees it.
        false => call.state.set(State::Abandoned),
    }
}

/// Takes a call that has not left out of where it waits; false if it is just about to leave.
pub fn take_back(index: u32, call: &'static Call) -> bool {
    match call.state.get() {
        State::Promised => leave_promise(index, call),
        _ => leave_backlog(index, call),
    }
}

#[cold]
fn cancel(call: &Call) {
    call.state.set(State::Orphan);
    call.waker.take();
    let entry = Submission { op: op::CANCEL, flags: flag::QUIET, arg: call.tag.get().into(), ..Submission::default() };
    ring::with(|ring| crate::raw::push_quiet(ring, entry));
}

/// Tells who waits for the answer of a call that was passed on that nobody wants it.
#[cold]
fn abandon(call: &Call) {
    call.state.set(State::Abandoned);
    call.waker.take().into_iter().chain(call.other_wakers.take()).for_each(Waker::wake);
}

/// Gives back what a call holds for its request and answer.
#[inline]
pub fn give_back(call: &Call) {
    forget_target(call);
    if let Some(range) = call.range.take() {
        ring::with(|ring| ring.arena.give(range));
    }
    // SAFETY: nobody builds the request any more, and nobody sends it.
    let sent = unsafe { &mut *call.sent.get() };
    if !sent.is_empty() {
        sent.clear();
    }
    drop(call.parameters.take());
    drop(call.promised.take());
}

/// Lets go of what is called.
#[inline]
pub fn forget_target(call: &Call) {
    let target = call.target.replace(NULL);
    if target != NULL {
        RUNTIME.handles.drop(target);
    }
}

/// Gives the record back.
#[inline]
pub fn free(index: u32, call: &'static Call) {
    give_back(call);
    // SAFETY: nobody refers to the call any more.
    let (message, received) = unsafe { (&mut *call.message.get(), &mut *call.received.get()) };
    if message.has_spilled() {
        *message = MessageBuilder::new();
    }
    drop(call.large_reply.take());
    call.large_bytes.set(0);
    if !received.is_empty() {
        received.clear();
    }
    if call.status.replace(status::OK) != status::OK || call.error.borrow().is_some() {
        call.error.borrow_mut().take();
        // SAFETY: as above.
        unsafe { *call.elsewhere.get() = None };
    }
    drop(call.waker.take());
    call.state.set(State::Building);
    RUNTIME.calls.give(index);
}
