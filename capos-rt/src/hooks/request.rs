//! A request over the ring, and the promise of its answer.
use super::RING_BRAND;
use super::pipeline::RingPipeline;
use super::response::RingResponse;
use super::tag::{StandsFor, into_record, stand_for};
use crate::call::{self, Call, add_reference, drop_reference, is_done};
use alloc::boxed::Box;
use capnp::capability::{Promise, RemotePromise, Request, Response};
use capnp::private::capability::{ParamsHook, PipelineHook, RequestHook, ResultsHook};
use capnp::{Error, Result, any_pointer};
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

/// Stands for a call that is being built.
pub struct RingRequest(());

// SAFETY: nothing here makes one but `stand_for`.
unsafe impl StandsFor for RingRequest {
    type Record = Call;
}

impl Drop for RingRequest {
    fn drop(&mut self) {
        drop_reference(self.record());
    }
}

impl RequestHook for RingRequest {
    #[inline]
    fn get(&mut self) -> any_pointer::Builder<'_> {
        // SAFETY: the request is lent out by `&mut self`.
        unsafe { call::request(self.record()) }
    }

    #[inline]
    fn get_brand(&self) -> usize {
        RING_BRAND
    }

    fn send(self: Box<Self>) -> RemotePromise<any_pointer::Owned> {
        let answer = start(into_record(self));
        let pipeline = any_pointer::Pipeline::new(RingPipeline::of(answer.call));
        RemotePromise { promise: Promise::from_future(answer), pipeline }
    }

    fn send_streaming(self: Box<Self>) -> Promise<(), Error> {
        let answer = start(into_record(self));
        Promise::from_future(async move { answer.await.map(|_| ()) })
    }

    fn tail_send(self: Box<Self>) -> Option<(u32, Promise<(), Error>, Box<dyn PipelineHook>)> {
        None
    }
}

/// Sends a built call, whose reference the answer takes over.
#[inline]
pub fn start(call: &'static Call) -> Answer {
    call::submit(call);
    Answer { call }
}

/// The answer of a call, to be awaited. Dropping it cancels the call, unless a pipeline still refers to it.
pub struct Answer {
    /// The call.
    pub(crate) call: &'static Call,
}

impl Answer {
    /// The answer that is there, without waiting.
    #[inline]
    pub fn take(self) -> Result<Response<any_pointer::Owned>> {
        call::outcome(self.call)?;
        let response = Response::new(stand_for::<RingResponse>(self.call));
        core::mem::forget(self);
        Ok(response)
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        drop_reference(self.call);
    }
}

impl Future for Answer {
    type Output = Result<Response<any_pointer::Owned>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if is_done(self.call) {
            add_reference(self.call);
            return Poll::Ready(Self { call: self.call }.take());
        }
        call::wake_when_done(self.call, context.waker());
        Poll::Pending
    }
}

/// Passes a received call on, at once: its parameters to `request`, the answer to its results.
pub fn forward(
    mut request: Request<any_pointer::Owned, any_pointer::Owned>,
    params: Box<dyn ParamsHook>,
    mut results: Box<dyn ResultsHook>,
) -> Promise<(), Error> {
    if let Err(error) = params.get().and_then(|root| request.hook.get().set_as(root)) {
        return Promise::err(error);
    }
    drop(params);
    let answer = request.hook.send().promise;
    Promise::from_future(async move {
        let response = answer.await?;
        results.get()?.set_as(response.hook.get()?)
    })
}
