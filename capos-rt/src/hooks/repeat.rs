//! A request that can be made more than once: the message is kept, and each attempt sends a copy of it.
use super::REPEAT_BRAND;
use super::blocking::{Wish, wish};
use super::heap::Message;
use alloc::boxed::Box;
use alloc::vec::Vec;
use capnp::capability::{Promise, RemotePromise, Request, Response};
use capnp::private::capability::{ClientHook, PipelineHook, RequestHook};
use capnp::{Error, any_pointer};
use core::cell::RefCell;

/// What is asked for: whoever made the request sends it, as often as it takes.
pub struct Repeatable {
    message: Message,
    wishes: RefCell<Vec<Wish>>,
    /// Interface called.
    pub interface: u64,
    /// Method called.
    pub method: u16,
}

impl Repeatable {
    /// Sends it to `target`, once.
    pub fn attempt(&self, target: &dyn ClientHook) -> Promise<Response<any_pointer::Owned>, Error> {
        let mut request = target.new_call(self.interface, self.method, None);
        self.wishes.borrow().iter().for_each(|&wanted| wish(&*request.hook, wanted));
        match self.message.read().and_then(|root| request.hook.get().set_as(root)) {
            Ok(()) => request.hook.send().promise,
            Err(error) => Promise::err(error),
        }
    }
}

/// What sends it.
type Send = Box<dyn FnOnce(Repeatable) -> RemotePromise<any_pointer::Owned>>;

/// A request that is being built.
pub struct RepeatRequest {
    request: Repeatable,
    send: Send,
}

impl RepeatRequest {
    /// A request that `send` gets when it is built.
    pub fn begin(
        interface: u64,
        method: u16,
        send: impl FnOnce(Repeatable) -> RemotePromise<any_pointer::Owned> + 'static,
    ) -> Request<any_pointer::Owned, any_pointer::Owned> {
        let request = Repeatable { message: Message::new(), wishes: RefCell::default(), interface, method };
        Request::new(Box::new(Self { request, send: Box::new(send) }))
    }

    /// Notes what every attempt is to be asked for.
    pub fn note(&self, wanted: Wish) {
        self.request.wishes.borrow_mut().push(wanted);
    }
}

impl RequestHook for RepeatRequest {
    fn get(&mut self) -> any_pointer::Builder<'_> {
        self.request.message.root().expect("a message on the heap has a root")
    }

    fn get_brand(&self) -> usize {
        REPEAT_BRAND
    }

    fn send(self: Box<Self>) -> RemotePromise<any_pointer::Owned> {
        (self.send)(self.request)
    }

    fn send_streaming(self: Box<Self>) -> Promise<(), Error> {
        let promise = self.send().promise;
        Promise::from_future(async move { promise.await.map(|_| ()) })
    }

    fn tail_send(self: Box<Self>) -> Option<(u32, Promise<(), Error>, Box<dyn PipelineHook>)> {
        None
    }
}
