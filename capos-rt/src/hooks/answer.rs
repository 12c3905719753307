//! The answer of a call that does not go over the ring: a future works on it, its promise and pipeline wait for it.
//!
//! Calls on a promised capability are queued and made in the turn in which the answer arrives, in their order and before
//! anybody else learns of it. When promise and pipeline are gone, the work is dropped where it stands.
use super::PROMISE_BRAND;
use super::broken::Broken;
use super::unsent::HeapRequest;
use crate::executor::spawn_local;
use crate::wait::within;
use alloc::boxed::Box;
use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use capnp::capability::{Promise, RemotePromise, Request, Response};
use capnp::private::capability::{ClientHook, ParamsHook, PipelineHook, PipelineOp, ResponseHook, ResultsHook};
use capnp::{Error, MessageSize, Result, any_pointer};
use core::cell::{Cell, RefCell};
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

/// The answer, there or not.
#[derive(Default)]
struct Answer {
    outcome: RefCell<Option<Result<Shared>>>,
    queued: RefCell<Vec<Queued>>,
    wakers: RefCell<Vec<Waker>>,
    /// Who works on it.
    worker: Cell<Option<Waker>>,
}

/// A call to be made when the answer is there.
type Queued = Box<dyn FnOnce(&Answer)>;

/// A response that several read.
#[derive(Clone)]
struct Shared(Rc<Box<dyn ResponseHook>>);

impl ResponseHook for Shared {
    fn get(&self) -> Result<any_pointer::Reader<'_>> {
        self.0.get()
    }
}

/// Starts to work on an answer, which is an error after `deadline` (absolute nanoseconds, 0 = none).
pub fn promise(
    deadline: u64,
    work: impl Future<Output = Result<Box<dyn ResponseHook>>> + 'static,
) -> RemotePromise<any_pointer::Owned> {
    let answer = Rc::new(Answer::default());
    spawn_local(run(Rc::downgrade(&answer), Promise::from_future(within(deadline, work))));
    let pipeline = any_pointer::Pipeline::new(Box::new(Pipeline(answer.clone())));
    let promise = Promise::from_future(async move {
        let response = poll_fn(|context| answer.poll(context)).await?;
        Ok(Response::new(Box::new(response)))
    });
    RemotePromise { promise, pipeline }
}

/// Works on an answer for as long as somebody wants it.
async fn run(answer: Weak<Answer>, mut work: Promise<Box<dyn ResponseHook>, Error>) {
    let outcome = poll_fn(|context| {
        let Some(wanted) = answer.upgrade() else { return Poll::Ready(None) };
        wanted.worker.set(Some(context.waker().clone()));
        Pin::new(&mut work).poll(context).map(Some)
    });
    if let Some(outcome) = outcome.await
        && let Some(answer) = answer.upgrade()
    {
        answer.finish(outcome);
    }
}

impl Answer {
    fn finish(&self, outcome: Result<Box<dyn ResponseHook>>) {
        *self.outcome.borrow_mut() = Some(outcome.map(|response| Shared(Rc::new(response))));
        self.queued.take().into_iter().for_each(|call| call(self));
        self.wakers.take().into_iter().for_each(Waker::wake);
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<Result<Shared>> {
        if let Some(outcome) = &*self.outcome.borrow() {
            return Poll::Ready(outcome.clone());
        }
        let mut wakers = self.wakers.borrow_mut();
        if !wakers.iter().any(|waker| waker.will_wake(context.waker())) {
            wakers.push(context.waker().clone());
        }
        Poll::Pending
    }

    /// The capability at the end of a path of pointers, if the answer is there.
    fn capability(&self, path: &[PipelineOp]) -> Option<Result<Box<dyn ClientHook>>> {
        let outcome = self.outcome.borrow().clone()?;
        Some(outcome.and_then(|response| response.get()?.get_pipelined_cap(path)))
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(worker) = self.worker.take() {
            worker.wake();
        }
    }
}

/// Stands for an answer.
struct Pipeline(Rc<Answer>);

impl PipelineHook for Pipeline {
    fn add_ref(&self) -> Box<dyn PipelineHook> {
        Box::new(Self(self.0.clone()))
    }

    fn get_pipelined_cap(&self, path: &[PipelineOp]) -> Box<dyn ClientHook> {
        let promised = Promised { answer: self.0.clone(), path: path.to_vec() };
        promised.resolved().unwrap_or_else(|| Box::new(promised))
    }
}

/// A capability of an answer: whose, and the path of pointers to it.
#[derive(Clone)]
struct Promised {
    answer: Rc<Answer>,
    path: Vec<PipelineOp>,
}

impl Promised {
    fn resolved(&self) -> Option<Box<dyn ClientHook>> {
        let found = self.answer.capability(&self.path)?;
        Some(found.unwrap_or_else(|error| Box::new(Broken(error))))
    }

    /// Makes a call when the answer arrives.
    fn call_later<T: 'static>(
        &self,
        call: impl FnOnce(Box<dyn ClientHook>) -> Promise<T, Error> + 'static,
    ) -> Promise<T, Error> {
        let made = Rc::new(Made::default());
        let (place, path) = (Rc::downgrade(&made), self.path.clone());
        self.answer.queued.borrow_mut().push(Box::new(move |answer| {
            if let Some(made) = place.upgrade()
                && let Some(found) = answer.capability(&path)
            {
                made.begin(found.map_or_else(Promise::err, call));
            }
        }));
        let answer = self.answer.clone();
        Promise::from_future(async move {
            let outcome = poll_fn(|context| made.poll(context)).await;
            drop(answer);
            outcome
        })
    }
}

/// A queued call, made or not.
struct Made<T> {
    call: Cell<Option<Promise<T, Error>>>,
    waker: Cell<Option<Waker>>,
}

impl<T> Default for Made<T> {
    fn default() -> Self {
        Self { call: Cell::default(), waker: Cell::default() }
    }
}

impl<T> Made<T> {
    fn begin(&self, call: Promise<T, Error>) {
        self.call.set(Some(call));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<Result<T>> {
        let Some(mut call) = self.call.take() else {
            self.waker.set(Some(context.waker().clone()));
            return Poll::Pending;
        };
        let polled = Pin::new(&mut call).poll(context);
        if polled.is_pending() {
            self.call.set(Some(call));
        }
        polled
    }
}

impl ClientHook for Promised {
    fn add_ref(&self) -> Box<dyn ClientHook> {
        Box::new(self.clone())
    }

    fn new_call(
        &self,
        interface: u64,
        method: u16,
        size: Option<MessageSize>,
    ) -> Request<any_pointer::Owned, any_pointer::Owned> {
        match self.resolved() {
            Some(resolved) => resolved.new_call(interface, method, size),
            None => {
                let promised = self.clone();
                HeapRequest::begin(interface, method, move |request| {
                    promised.call_later(move |resolved| request.attempt(&*resolved))
                })
            }
        }
    }

    fn call(
        &self,
        interface: u64,
        method: u16,
        params: Box<dyn ParamsHook>,
        results: Box<dyn ResultsHook>,
    ) -> Promise<(), Error> {
        match self.resolved() {
            Some(resolved) => resolved.call(interface, method, params, results),
            None => self.call_later(move |resolved| resolved.call(interface, method, params, results)),
        }
    }

    fn get_brand(&self) -> usize {
        PROMISE_BRAND
    }

    fn get_ptr(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }

    fn get_resolved(&self) -> Option<Box<dyn ClientHook>> {
        self.resolved()
    }

    fn when_more_resolved(&self) -> Option<Promise<Box<dyn ClientHook>, Error>> {
        let (answer, path) = (self.answer.clone(), self.path.clone());
        Some(Promise::from_future(async move {
            poll_fn(|context| answer.poll(context)).await?.get()?.get_pipelined_cap(&path)
        }))
    }

    fn when_resolved(&self) -> Promise<(), Error> {
        let answer = self.answer.clone();
        Promise::from_future(async move { poll_fn(|context| answer.poll(context)).await.map(drop) })
    }
}
