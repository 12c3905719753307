//! A capability that is an object of this very thread: calls reach its server without the kernel.
use super::LOCAL_BRAND;
use super::broken::Broken;
use super::tag::{number, tag};
use crate::executor::spawn_local;
use crate::object;
use alloc::boxed::Box;
use alloc::rc::Rc;
use capnp::capability::{FromClientHook, FromServer, Params, Promise, RemotePromise, Request, Response, Results};
use capnp::message::{Builder, HeapAllocator};
use capnp::private::capability::{ClientHook, ParamsHook, PipelineHook, RequestHook, ResponseHook, ResultsHook};
use capnp::private::layout::CapTable;
use capnp::traits::{HasTypeId, Imbue, ImbueMut};
use capnp::{Error, MessageSize, Result, any_pointer};
use capos_abi::handle::Handle;
use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::task::{Poll, Waker};

/// Stands for an object.
pub struct LocalCapability;

/// A client of a new object. Passed out in a message, it is minted on the endpoint that this thread serves.
pub fn new_client<C: FromServer<S> + HasTypeId, S>(server: impl Into<Rc<S>>) -> C {
    FromClientHook::new(tag::<LocalCapability>(object::create::<C, S>(server.into()).into()))
}

/// The handle from which copies of an object are passed out.
pub fn origin(index: u32) -> Result<Handle> {
    object::origin(index)
}

impl Drop for LocalCapability {
    fn drop(&mut self) {
        object::drop_reference(number(self) as u32);
    }
}

impl ClientHook for LocalCapability {
    fn add_ref(&self) -> Box<dyn ClientHook> {
        object::add_reference(number(self) as u32);
        tag::<Self>(number(self))
    }

    fn new_call(
        &self,
        interface: u64,
        method: u16,
        _: Option<MessageSize>,
    ) -> Request<any_pointer::Owned, any_pointer::Owned> {
        Request::new(Box::new(LocalRequest { message: Message::new(), target: self.add_ref(), interface, method }))
    }

    fn call(
        &self,
        interface: u64,
        method: u16,
        params: Box<dyn ParamsHook>,
        results: Box<dyn ResultsHook>,
    ) -> Promise<(), Error> {
        match object::server(number(self) as u32) {
            Some(server) => server.dispatch(interface, method, Params::new(params), Results::new(results)).promise,
            None => Promise::err(Error::disconnected("the object is gone".into())),
        }
    }

    fn get_brand(&self) -> usize {
        LOCAL_BRAND
    }

    fn get_ptr(&self) -> usize {
        number(self) as usize
    }

    fn get_resolved(&self) -> Option<Box<dyn ClientHook>> {
        None
    }

    fn when_more_resolved(&self) -> Option<Promise<Box<dyn ClientHook>, Error>> {
        None
    }

    fn when_resolved(&self) -> Promise<(), Error> {
        Promise::ok(())
    }
}

/// A message on the heap, with its capabilities.
struct Message {
    builder: Builder<HeapAllocator>,
    caps: CapTable,
}

impl Message {
    fn new() -> Self {
        Self { builder: Builder::new(HeapAllocator::new()), caps: CapTable::new() }
    }

    fn root(&mut self) -> Result<any_pointer::Builder<'_>> {
        let mut root: any_pointer::Builder<'_> = self.builder.get_root()?;
        root.imbue_mut(&mut self.caps);
        Ok(root)
    }

    fn read(&self) -> Result<any_pointer::Reader<'_>> {
        let mut root: any_pointer::Reader<'_> = self.builder.get_root_as_reader()?;
        root.imbue(&self.caps);
        Ok(root)
    }
}

impl ParamsHook for Message {
    fn get(&self) -> Result<any_pointer::Reader<'_>> {
        self.read()
    }
}

impl ResponseHook for Message {
    fn get(&self) -> Result<any_pointer::Reader<'_>> {
        self.read()
    }
}

struct LocalRequest {
    message: Message,
    target: Box<dyn ClientHook>,
    interface: u64,
    method: u16,
}

impl RequestHook for LocalRequest {
    fn get(&mut self) -> any_pointer::Builder<'_> {
        self.message.root().expect("a message on the heap has a root")
    }

    fn get_brand(&self) -> usize {
        LOCAL_BRAND
    }

    fn send(self: Box<Self>) -> RemotePromise<any_pointer::Owned> {
        let Self { message, target, interface, method } = *self;
        let answer = Rc::new(Answer::default());
        let results = Box::new(LocalResults { message: Message::new(), answer: answer.clone() });
        let served = answer.clone();
        spawn_local(async move { served.finish(target.call(interface, method, Box::new(message), results).await) });
        let broken = Broken(Error::unimplemented("calls on promises of local calls: await the answer first".into()));
        let promise = Promise::from_future(async move { poll_fn(|context| answer.poll(context.waker())).await });
        RemotePromise { promise, pipeline: any_pointer::Pipeline::new(Box::new(broken)) }
    }

    fn send_streaming(self: Box<Self>) -> Promise<(), Error> {
        let promise = self.send().promise;
        Promise::from_future(async move { promise.await.map(|_| ()) })
    }

    fn tail_send(self: Box<Self>) -> Option<(u32, Promise<(), Error>, Box<dyn PipelineHook>)> {
        None
    }
}

/// The answer of a local call, between server and caller.
#[derive(Default)]
struct Answer {
    message: RefCell<Option<Message>>,
    outcome: RefCell<Option<Result<()>>>,
    waker: Cell<Option<Waker>>,
}

impl Answer {
    fn finish(&self, outcome: Result<()>) {
        *self.outcome.borrow_mut() = Some(outcome);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn poll(&self, waker: &Waker) -> Poll<Result<Response<any_pointer::Owned>>> {
        let Some(outcome) = self.outcome.borrow_mut().take() else {
            self.waker.set(Some(waker.clone()));
            return Poll::Pending;
        };
        let message = self.message.borrow_mut().take();
        Poll::Ready(outcome.map(|()| Response::new(Box::new(message.unwrap_or_else(Message::new)))))
    }
}

struct LocalResults {
    message: Message,
    answer: Rc<Answer>,
}

impl Drop for LocalResults {
    fn drop(&mut self) {
        let message = core::mem::replace(&mut self.message, Message::new());
        *self.answer.message.borrow_mut() = Some(message);
    }
}

impl ResultsHook for LocalResults {
    fn get(&mut self) -> Result<any_pointer::Builder<'_>> {
        self.message.root()
    }

    fn set_pipeline(&mut self) -> Result<()> {
        Ok(())
    }

    fn allow_cancellation(&self) {}

    fn tail_call(self: Box<Self>, request: Box<dyn RequestHook>) -> Promise<(), Error> {
        super::results::tail_call(self, request)
    }

    fn direct_tail_call(self: Box<Self>, request: Box<dyn RequestHook>) -> (Promise<(), Error>, Box<dyn PipelineHook>) {
        super::results::direct_tail_call(self, request)
    }
}
