//! Requests whose message lies on the heap: to objects of this thread, to what is still a promise, and to what may have to be
//! asked more than once.
use super::HEAP_BRAND;
use super::answer;
use super::blocking::{Wish, wish};
use super::heap::{HeapResults, Message};
use alloc::boxed::Box;
use alloc::vec::Vec;
use capnp::capability::{Promise, RemotePromise, Request, Response};
use capnp::private::capability::{ClientHook, PipelineHook, RequestHook, ResponseHook};
use capnp::{Error, any_pointer};
use core::cell::RefCell;

/// What is asked for: whoever made the request sends it, as often as it takes.
pub struct Unsent {
    message: Message,
    wishes: RefCell<Vec<Wish>>,
    /// Interface called.
    pub interface: u64,
    /// Method called.
    pub method: u16,
}

impl Unsent {
    /// Sends a copy of it to `target`.
    pub fn attempt(&self, target: &dyn ClientHook) -> Answered {
        let mut request = target.new_call(self.interface, self.method, None);
        self.wishes.borrow().iter().for_each(|&wanted| wish(&*request.hook, wanted));
        if let Err(error) = self.message.read().and_then(|root| request.hook.get().set_as(root)) {
            return Promise::err(error);
        }
        let promise = request.hook.send().promise;
        Promise::from_future(async move { promise.await.map(|Response { hook, .. }| hook) })
    }

    /// Hands it over to `target`, as it is.
    pub fn deliver(self, target: &dyn ClientHook) -> Answered {
        let (results, filled) = HeapResults::new();
        let call = target.call(self.interface, self.method, Box::new(self.message), Box::new(results));
        Promise::from_future(async move {
            call.await?;
            Ok(Box::new(filled.take().unwrap_or_default()) as Box<dyn ResponseHook>)
        })
    }

    /// When it is to end (absolute nanoseconds, 0 = never).
    fn deadline(&self) -> u64 {
        let wishes = self.wishes.borrow();
        let deadline = |wanted: &Wish| if let Wish::Deadline(at) = wanted { Some(*at) } else { None };
        wishes.iter().rev().find_map(deadline).unwrap_or(0)
    }
}

/// The answer of a request.
pub type Answered = Promise<Box<dyn ResponseHook>, Error>;
/// What sends it.
type Send = Box<dyn FnOnce(Unsent) -> Answered>;

/// A request that is being built.
pub struct HeapRequest {
    request: Unsent,
    send: Send,
}

impl HeapRequest {
    /// A request that `send` gets when it is built.
    pub fn begin(
        interface: u64,
        method: u16,
        send: impl FnOnce(Unsent) -> Answered + 'static,
    ) -> Request<any_pointer::Owned, any_pointer::Owned> {
        let request = Unsent { message: Message::new(), wishes: RefCell::default(), interface, method };
        Request::new(Box::new(Self { request, send: Box::new(send) }))
    }

    /// Notes what the request is to be asked for when it is sent.
    pub fn note(&self, wanted: Wish) {
        self.request.wishes.borrow_mut().push(wanted);
    }
}

impl RequestHook for HeapRequest {
    fn get(&mut self) -> any_pointer::Builder<'_> {
        self.request.message.root().expect("a message on the heap has a root")
    }

    fn get_brand(&self) -> usize {
        HEAP_BRAND
    }

    fn send(self: Box<Self>) -> RemotePromise<any_pointer::Owned> {
        let deadline = self.request.deadline();
        answer::promise(deadline, (self.send)(self.request))
    }

    fn send_streaming(self: Box<Self>) -> Promise<(), Error> {
        let promise = self.send().promise;
        Promise::from_future(async move { promise.await.map(|_| ()) })
    }

    fn tail_send(self: Box<Self>) -> Option<(u32, Promise<(), Error>, Box<dyn PipelineHook>)> {
        None
    }
}
