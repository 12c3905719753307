//! The results of a call that came over the ring, built in place.
use super::tag::StandsFor;
use crate::incoming::{self, Incoming, live};
use alloc::boxed::Box;
use capnp::capability::{Promise, RemotePromise};
use capnp::private::capability::{PipelineHook, RequestHook, ResultsHook};
use capnp::{Error, Result, any_pointer};

/// Stands for a received call.
pub struct RingResults(());

// SAFETY: nothing here makes one but `stand_for`.
unsafe impl StandsFor for RingResults {
    type Record = Incoming;
}

impl Drop for RingResults {
    #[inline]
    fn drop(&mut self) {
        incoming::dropped(self.record(), live::RESULTS);
    }
}

impl ResultsHook for RingResults {
    #[inline]
    fn get(&mut self) -> Result<any_pointer::Builder<'_>> {
        // SAFETY: these are the call's only results, lent out by `&mut self`.
        Ok(unsafe { incoming::results(self.record()) })
    }

    fn set_pipeline(&mut self) -> Result<()> {
        Ok(())
    }

    fn allow_cancellation(&self) {}

    fn tail_call(self: Box<Self>, request: Box<dyn RequestHook>) -> Promise<(), Error> {
        tail_call(self, request)
    }

    fn direct_tail_call(self: Box<Self>, request: Box<dyn RequestHook>) -> (Promise<(), Error>, Box<dyn PipelineHook>) {
        direct_tail_call(self, request)
    }
}

/// Answers with the answer of another call.
pub fn tail_call(results: Box<dyn ResultsHook>, request: Box<dyn RequestHook>) -> Promise<(), Error> {
    direct_tail_call(results, request).0
}

/// The same, and the other call's pipeline.
pub fn direct_tail_call(
    mut results: Box<dyn ResultsHook>,
    request: Box<dyn RequestHook>,
) -> (Promise<(), Error>, Box<dyn PipelineHook>) {
    let RemotePromise { promise, pipeline } = request.send();
    let answered = Promise::from_future(async move { results.get()?.set_as(promise.await?.hook.get()?) });
    (answered, pipeline.hook)
}
