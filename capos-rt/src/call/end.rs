//! How calls are given up and come to their end: references, what is taken back, and the record that is free again.
use super::send::leave_backlog;
use super::{Call, State, empty};
use crate::hooks::pipeline::leave_promise;
use crate::ring;
use crate::runtime::RUNTIME;
use alloc::vec::Vec;
use capos_abi::handle::NULL;
use capos_abi::ring::{Submission, flag, op};
use capos_abi::status;
use core::task::Waker;

/// Adds a reference.
#[inline]
pub fn add_reference(call: &Call) {
    call.references.set(call.references.get() + 1);
}

/// Takes a reference away; without any, the call is cancelled or its answer forgotten.
#[inline]
pub fn drop_reference(call: &'static Call) {
    let left = call.references.get() - 1;
    call.references.set(left);
    if left == 0 {
        match call.state.get() {
            State::Done => free(call),
            state => give_up(call, state),
        }
    }
}

/// Ends a call that is not answered, and that nobody wants.
#[cold]
fn give_up(call: &'static Call, state: State) {
    match state {
        State::Sent => cancel(call),
        State::Backlog | State::Promised => withdraw(call),
        State::PassedOn => abandon(call),
        _ => free(call),
    }
}

/// Frees a call that has not left, and that nobody wants.
fn withdraw(call: &'static Call) {
    call.waker.take();
    match take_back(call) {
        true => free(call),
        // Whoever goes through the list that it was in frees it.
        false => call.state.set(State::Abandoned),
    }
}

/// Takes a call that has not left out of where it waits; false if it is just about to leave.
pub fn take_back(call: &'static Call) -> bool {
    match call.state.get() {
        State::Promised => leave_promise(call),
        _ => leave_backlog(call),
    }
}

fn cancel(call: &Call) {
    call.state.set(State::Orphan);
    call.waker.take();
    let entry = Submission { op: op::CANCEL, flags: flag::QUIET, arg: call.tag.get().into(), ..Submission::default() };
    ring::with(|ring| crate::raw::push_quiet(ring, entry));
}

/// Tells who waits for the answer of a call that was passed on that nobody wants it.
fn abandon(call: &Call) {
    call.state.set(State::Abandoned);
    let others = call.rare.get().map_or_else(Vec::new, |rare| rare.other_wakers.take());
    call.waker.take().into_iter().chain(others).for_each(Waker::wake);
}

/// Gives back what a call holds for its request and answer.
#[inline]
pub fn give_back(call: &Call) {
    forget_target(call);
    if let Some(range) = call.range.take() {
        ring::with(|ring| ring.arena.give(range));
    }
    // SAFETY: nobody builds the request any more, and nobody sends it.
    empty(unsafe { &mut *call.sent.get() });
    if let Some(rare) = call.rare.get() {
        drop((rare.parameters.take(), rare.promised.take()));
    }
}

/// Lets go of what is called.
#[inline]
pub fn forget_target(call: &Call) {
    let target = call.target.replace(NULL);
    if target != NULL {
        RUNTIME.handles.drop(target);
    }
}

/// Gives the record of a call back that nobody waits for.
#[inline]
pub fn free(call: &'static Call) {
    give_back(call);
    // SAFETY: nobody refers to the call any more.
    let (message, received) = unsafe { (&mut *call.message.get(), &mut *call.received.get()) };
    message.forget_spilled();
    empty(received);
    if call.rare.get().is_some() {
        // SAFETY: as above.
        unsafe { call.rare.clear() };
    }
    call.status.set(status::OK);
    call.state.set(State::Building);
    RUNTIME.calls.give(call);
}
