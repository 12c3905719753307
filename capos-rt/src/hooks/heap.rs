//! Messages on the heap, for calls that do not go over the ring: to local objects, and to what is still a promise.
use super::answer;
use super::results;
use alloc::boxed::Box;
use alloc::rc::Rc;
use capnp::capability::{Promise, RemotePromise, Request};
use capnp::message::{Builder, HeapAllocator};
use capnp::private::capability::{ClientHook, ParamsHook, PipelineHook, RequestHook, ResponseHook, ResultsHook};
use capnp::private::layout::CapTable;
use capnp::traits::{Imbue, ImbueMut};
use capnp::{Error, Result, any_pointer};
use core::cell::Cell;

/// A message with its capabilities.
pub struct Message {
    builder: Builder<HeapAllocator>,
    caps: CapTable,
}

impl Message {
    /// An empty message.
    pub fn new() -> Self {
        Self { builder: Builder::new(HeapAllocator::new()), caps: CapTable::new() }
    }

    /// The root pointer, to build at.
    pub fn root(&mut self) -> Result<any_pointer::Builder<'_>> {
        let mut root: any_pointer::Builder<'_> = self.builder.get_root()?;
        root.imbue_mut(&mut self.caps);
        Ok(root)
    }

    /// The root pointer, to read from.
    pub fn read(&self) -> Result<any_pointer::Reader<'_>> {
        let mut root: any_pointer::Reader<'_> = self.builder.get_root_as_reader()?;
        root.imbue(&self.caps);
        Ok(root)
    }
}

impl Default for Message {
    fn default() -> Self {
        Self::new()
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

/// A request to a capability that takes the call as it is.
pub struct HeapRequest {
    message: Message,
    target: Box<dyn ClientHook>,
    interface: u64,
    method: u16,
}

impl HeapRequest {
    /// A request to `target`.
    pub fn begin(
        target: Box<dyn ClientHook>,
        interface: u64,
        method: u16,
    ) -> Request<any_pointer::Owned, any_pointer::Owned> {
        Request::new(Box::new(Self { message: Message::new(), target, interface, method }))
    }
}

impl RequestHook for HeapRequest {
    fn get(&mut self) -> any_pointer::Builder<'_> {
        self.message.root().expect("a message on the heap has a root")
    }

    fn get_brand(&self) -> usize {
        0
    }

    fn send(self: Box<Self>) -> RemotePromise<any_pointer::Owned> {
        let Self { message, target, interface, method } = *self;
        let filled = Rc::new(Cell::new(None));
        let results = Box::new(HeapResults { message: Message::new(), filled: filled.clone() });
        let call = target.call(interface, method, Box::new(message), results);
        answer::promise(async move {
            call.await?;
            Ok(Box::new(filled.take().unwrap_or_default()) as Box<dyn ResponseHook>)
        })
    }

    fn send_streaming(self: Box<Self>) -> Promise<(), Error> {
        let promise = self.send().promise;
        Promise::from_future(async move { promise.await.map(|_| ()) })
    }

    fn tail_send(self: Box<Self>) -> Option<(u32, Promise<(), Error>, Box<dyn PipelineHook>)> {
        None
    }
}

/// Results that are left for the caller when they are dropped.
struct HeapResults {
    message: Message,
    filled: Rc<Cell<Option<Message>>>,
}

impl Drop for HeapResults {
    fn drop(&mut self) {
        self.filled.set(Some(core::mem::take(&mut self.message)));
    }
}

impl ResultsHook for HeapResults {
    fn get(&mut self) -> Result<any_pointer::Builder<'_>> {
        self.message.root()
    }

    fn set_pipeline(&mut self) -> Result<()> {
        Ok(())
    }

    fn allow_cancellation(&self) {}

    fn tail_call(self: Box<Self>, request: Box<dyn RequestHook>) -> Promise<(), Error> {
        results::tail_call(self, request)
    }

    fn direct_tail_call(self: Box<Self>, request: Box<dyn RequestHook>) -> (Promise<(), Error>, Box<dyn PipelineHook>) {
        results::direct_tail_call(self, request)
    }
}
