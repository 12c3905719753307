//! Calls on capabilities of answers that have not come yet. They wait here, in the caller's runtime, and leave in the
//! turn in which the answer arrives: the kernel needs to know nothing of them.
use super::blocking::wish;
use super::request::{self, RingRequest};
use super::tag::{StandsFor, stand_for};
use super::{PROMISE_BRAND, capability};
use crate::call::{self, Call, State, add_reference, drop_reference, is_done};
use crate::executor::spawn_local;
use crate::runtime::RUNTIME;
use alloc::boxed::Box;
use alloc::vec::Vec;
use capnp::capability::{Promise, Request};
use capnp::private::capability::{ClientHook, ParamsHook, PipelineHook, PipelineOp, ResultsHook};
use capnp::{Error, MessageSize, Result, any_pointer};
use capos_abi::handle::NULL;
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::ptr;
use core::task::Poll;

/// Stands for the answer of a call, there or not.
pub struct RingPipeline(());

// SAFETY: nothing here makes one but `stand_for`.
unsafe impl StandsFor for RingPipeline {
    type Record = Call;
}

impl RingPipeline {
    /// The pipeline of a call.
    #[inline]
    pub fn of(call: &'static Call) -> Box<dyn PipelineHook> {
        add_reference(call);
        stand_for::<Self>(call)
    }
}

impl Drop for RingPipeline {
    #[inline]
    fn drop(&mut self) {
        drop_reference(self.record());
    }
}

impl PipelineHook for RingPipeline {
    fn add_ref(&self) -> Box<dyn PipelineHook> {
        Self::of(self.record())
    }

    fn get_pipelined_cap(&self, path: &[PipelineOp]) -> Box<dyn ClientHook> {
        let promised = Promised::new(self.record(), path);
        match promised.resolve() {
            Some(Ok(resolved)) => resolved,
            _ => Box::new(promised),
        }
    }
}

/// A capability of an answer: whose, and the path of pointers to it.
pub struct Promised {
    call: &'static Call,
    path: Vec<PipelineOp>,
}

impl Promised {
    fn new(call: &'static Call, path: &[PipelineOp]) -> Self {
        add_reference(call);
        Self { call, path: path.to_vec() }
    }

    /// The capability, if the answer is there.
    fn resolve(&self) -> Option<Result<Box<dyn ClientHook>>> {
        is_done(self.call).then(|| {
            // SAFETY: this promise refers to the answered call, and the reader does not outlive it.
            unsafe { call::answer(self.call) }?.get_pipelined_cap(&self.path)
        })
    }
}

impl Drop for Promised {
    fn drop(&mut self) {
        drop_reference(self.call);
    }
}

/// Sends a call on a promised capability, or leaves it with the call whose answer it waits for.
#[cold]
pub fn submit_promised(call: &'static Call) {
    if call.state.get() == State::Abandoned {
        return call::free(call);
    }
    let Some(promised) = call.rare.add().promised.take() else {
        return call::fail(call, Error::failed("the request was sent before".into()));
    };
    match promised.resolve() {
        None => {
            call.state.set(State::Promised);
            promised.call.rare.add().waiters.borrow_mut().push(call);
            call.rare.add().promised.set(Some(promised));
            RUNTIME.alarm.watch(call.deadline.get());
        }
        // Why the call failed that was to give the capability.
        Some(Err(error)) => call::fail(call, error),
        Some(Ok(hook)) => match capability::handle(&*hook) {
            Some(handle) => {
                RUNTIME.handles.add(handle);
                call.target.set(handle);
                call::submit(call);
            }
            None => pass_on(call, &*hook),
        },
    }
}

/// Takes a call back that waits for its target; false if the answer has just come, and it is about to be sent.
#[cold]
pub fn leave_promise(call: &Call) -> bool {
    let rare = call.rare.add();
    let Some(promised) = rare.promised.take() else { return false };
    let waiters = &promised.call.rare.add().waiters;
    let place = waiters.borrow().iter().position(|waiting| ptr::eq(*waiting, call));
    match place {
        Some(place) => {
            waiters.borrow_mut().remove(place);
        }
        None => rare.promised.set(Some(promised)),
    }
    place.is_some()
}

/// The promised capability turned out to be an object of this thread, say: the call goes to it without the ring.
#[cold]
fn pass_on(call: &'static Call, hook: &dyn ClientHook) {
    let mut request = hook.new_call(call.interface.get(), call.method.get(), None);
    call.wishes().into_iter().for_each(|wanted| wish(&*request.hook, wanted));
    // SAFETY: the request was given up by its holder to be sent.
    let built = unsafe { call::request(call) }.into_reader();
    if let Err(error) = request.hook.get().set_as(built) {
        return call::fail(call, error);
    }
    call.state.set(State::PassedOn);
    let mut answer = request.hook.send().promise;
    spawn_local(async move {
        let outcome = poll_fn(|context| {
            if call.state.get() == State::Abandoned {
                return Poll::Ready(None);
            }
            call::wake_when_done(call, context.waker());
            Pin::new(&mut answer).poll(context).map(Some)
        });
        match outcome.await {
            Some(outcome) => call::answer_with(call, outcome),
            None => call::free(call),
        }
    });
}

impl ClientHook for Promised {
    fn add_ref(&self) -> Box<dyn ClientHook> {
        Box::new(Self::new(self.call, &self.path))
    }

    fn new_call(
        &self,
        interface: u64,
        method: u16,
        size: Option<MessageSize>,
    ) -> Request<any_pointer::Owned, any_pointer::Owned> {
        if let Some(resolved) = self.get_resolved() {
            return resolved.new_call(interface, method, size);
        }
        let call = call::begin(NULL, interface, method);
        call.rare.add().promised.set(Some(Box::new(Self::new(self.call, &self.path))));
        Request::new(stand_for::<RingRequest>(call))
    }

    fn call(
        &self,
        interface: u64,
        method: u16,
        params: Box<dyn ParamsHook>,
        results: Box<dyn ResultsHook>,
    ) -> Promise<(), Error> {
        request::forward(self.new_call(interface, method, None), params, results)
    }

    fn get_brand(&self) -> usize {
        PROMISE_BRAND
    }

    fn get_ptr(&self) -> usize {
        ptr::from_ref(self).addr()
    }

    fn get_resolved(&self) -> Option<Box<dyn ClientHook>> {
        self.resolve().and_then(Result::ok)
    }

    fn when_more_resolved(&self) -> Option<Promise<Box<dyn ClientHook>, Error>> {
        let promised = Self::new(self.call, &self.path);
        Some(Promise::from_future(async move {
            answered(promised.call).await;
            promised.resolve().unwrap_or_else(|| Err(Error::failed("the answer is gone".into())))
        }))
    }

    fn when_resolved(&self) -> Promise<(), Error> {
        let promised = Self::new(self.call, &self.path);
        Promise::from_future(async move {
            answered(promised.call).await;
            promised.resolve().map_or(Ok(()), |resolved| resolved.map(|_| ()))
        })
    }
}

/// Waits for the answer of a call, which stays with the call.
async fn answered(call: &'static Call) {
    poll_fn(|context| {
        if is_done(call) {
            return Poll::Ready(());
        }
        call::wake_when_done(call, context.waker());
        Poll::Pending
    })
    .await
}
