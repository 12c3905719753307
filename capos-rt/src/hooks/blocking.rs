//! What stock requests can do besides `send()`: block, start without boxes, and say what they accept.
use super::request::{self, Answer, RingRequest};
use super::tag::StandsFor;
use super::unsent::HeapRequest;
use super::{HEAP_BRAND, RING_BRAND};
use crate::arena::UNIT_BYTES;
use crate::call::{self, Call, State};
use crate::executor::block_on;
use crate::ring;
use crate::runtime::RUNTIME;
use capnp::capability::{Request, Response};
use capnp::private::capability::RequestHook;
use capnp::{Error, Result};
use capos_abi::message::MAX_CAPS;
use capos_abi::ring::MAX_MESSAGE_BYTES;
use core::marker::PhantomData;

/// Extensions of requests. The other limits than the deadline apply to what goes over the ring; calls of local objects have none.
pub trait RingCall: Sized {
    /// The result.
    type Results;

    /// Sends the request and blocks this thread until it is answered. No other future runs meanwhile, unless the request goes to
    /// or carries a capability that is still promised.
    fn call(self) -> Result<Response<Self::Results>>;

    /// Ends the call at this time (absolute monotonic nanoseconds) if it has not been answered, wherever it is then.
    fn with_deadline(self, nanoseconds: u64) -> Self;

    /// Makes room for a result of so many bytes (usually about 2 KiB).
    fn with_result_bytes(self, bytes: u32) -> Self;

    /// Accepts so many capabilities in the result (usually 4).
    fn accepting(self, capabilities: u8) -> Self;

    /// Discloses these attributes of the own session to the server (usually none), as far as the capability allows.
    fn disclosing(self, attributes: u32) -> Self;
}

impl<P, R> RingCall for Request<P, R> {
    type Results = R;

    #[inline]
    fn call(self) -> Result<Response<R>> {
        let response = match self.hook.get_brand() {
            RING_BRAND => {
                let call = call_of(&*self.hook);
                core::mem::forget(self.hook);
                wait(request::start(call))
            }
            _ => block_on(self.hook.send().promise),
        };
        response.map(|response| Response { hook: response.hook, marker: PhantomData })
    }

    fn with_deadline(self, nanoseconds: u64) -> Self {
        wish(&*self.hook, Wish::Deadline(nanoseconds));
        self
    }

    fn with_result_bytes(self, bytes: u32) -> Self {
        wish(&*self.hook, Wish::ResultBytes(bytes));
        self
    }

    fn accepting(self, capabilities: u8) -> Self {
        wish(&*self.hook, Wish::Accepting(capabilities));
        self
    }

    fn disclosing(self, attributes: u32) -> Self {
        wish(&*self.hook, Wish::Disclosing(attributes));
        self
    }
}

/// What a request may be asked for besides its message: see the methods of [`RingCall`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// End at this time.
    Deadline(u64),
    /// Room for a result.
    ResultBytes(u32),
    /// Capabilities accepted in the result.
    Accepting(u8),
    /// Attributes of the own session.
    Disclosing(u32),
}

/// Asks a request for something.
pub fn wish(hook: &dyn RequestHook, wanted: Wish) {
    match hook.get_brand() {
        RING_BRAND => fulfil(call_of(hook), wanted),
        // SAFETY: only a `HeapRequest` has this brand.
        HEAP_BRAND => unsafe { &*core::ptr::from_ref(hook).cast::<HeapRequest>() }.note(wanted),
        _ => {}
    }
}

/// The call that a request of [`RING_BRAND`] stands for.
#[inline(always)]
fn call_of(hook: &dyn RequestHook) -> &'static Call {
    // SAFETY: only a `RingRequest` has this brand.
    unsafe { &*core::ptr::from_ref(hook).cast::<RingRequest>() }.record()
}

#[inline]
fn fulfil(call: &Call, wanted: Wish) {
    match wanted {
        Wish::Deadline(nanoseconds) => call.deadline.set(nanoseconds),
        Wish::ResultBytes(bytes) => call.result_bytes.set(bytes.min(MAX_MESSAGE_BYTES).next_multiple_of(UNIT_BYTES)),
        Wish::Accepting(capabilities) => call.accepted.set(capabilities.min(MAX_CAPS as u8)),
        Wish::Disclosing(attributes) => call.disclosing.set(attributes),
    }
}

/// Waits for an answer; completions of everything else are only noted, unless the call waits for what only futures do.
#[inline]
fn wait(answer: Answer) -> Result<Response<capnp::any_pointer::Owned>> {
    while !call::is_done(answer.call) {
        if answer.call.state.get() != State::Sent {
            return wait_to_leave(answer);
        }
        ring::with(|ring| ring.enter(1, 0));
        RUNTIME.drain();
    }
    answer.take()
}

/// The same for a call that is not in the ring.
#[cold]
fn wait_to_leave(answer: Answer) -> Result<Response<capnp::any_pointer::Owned>> {
    if answer.call.state.get() != State::Backlog || call::is_held_up() {
        return block_on(answer);
    }
    if RUNTIME.calls_in_flight.get() == 0 {
        return Err(Error::overloaded("the message arena is full of answers that the program still holds".into()));
    }
    ring::with(|ring| ring.enter(1, 0));
    RUNTIME.drain();
    wait(answer)
}
