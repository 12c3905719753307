//! A capability or answer that cannot be had: every use fails with the reason.
use alloc::boxed::Box;
use capnp::capability::{Promise, RemotePromise, Request};
use capnp::message::{Builder, HeapAllocator};
use capnp::private::capability::{ClientHook, ParamsHook, PipelineHook, PipelineOp, RequestHook, ResultsHook};
use capnp::{Error, MessageSize, any_pointer};

/// Fails with this error.
#[derive(Clone)]
pub struct Broken(pub Error);

struct BrokenRequest {
    error: Error,
    message: Builder<HeapAllocator>,
}

impl RequestHook for BrokenRequest {
    fn get(&mut self) -> any_pointer::Builder<'_> {
        self.message.get_root().expect("an empty message has a root")
    }

    fn get_brand(&self) -> usize {
        0
    }

    fn send(self: Box<Self>) -> RemotePromise<any_pointer::Owned> {
        let pipeline = any_pointer::Pipeline::new(Box::new(Broken(self.error.clone())));
        RemotePromise { promise: Promise::err(self.error), pipeline }
    }

    fn send_streaming(self: Box<Self>) -> Promise<(), Error> {
        Promise::err(self.error)
    }

    fn tail_send(self: Box<Self>) -> Option<(u32, Promise<(), Error>, Box<dyn PipelineHook>)> {
        None
    }
}

impl ClientHook for Broken {
    fn add_ref(&self) -> Box<dyn ClientHook> {
        Box::new(self.clone())
    }

    fn new_call(&self, _: u64, _: u16, _: Option<MessageSize>) -> Request<any_pointer::Owned, any_pointer::Owned> {
        Request::new(Box::new(BrokenRequest { error: self.0.clone(), message: Builder::new(HeapAllocator::new()) }))
    }

    fn call(&self, _: u64, _: u16, _: Box<dyn ParamsHook>, _: Box<dyn ResultsHook>) -> Promise<(), Error> {
        Promise::err(self.0.clone())
    }

    fn get_brand(&self) -> usize {
        0
    }

    fn get_ptr(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }

    fn get_resolved(&self) -> Option<Box<dyn ClientHook>> {
        None
    }

    fn when_more_resolved(&self) -> Option<Promise<Box<dyn ClientHook>, Error>> {
        Some(Promise::err(self.0.clone()))
    }

    fn when_resolved(&self) -> Promise<(), Error> {
        Promise::err(self.0.clone())
    }
}

impl PipelineHook for Broken {
    fn add_ref(&self) -> Box<dyn PipelineHook> {
        Box::new(self.clone())
    }

    fn get_pipelined_cap(&self, _: &[PipelineOp]) -> Box<dyn ClientHook> {
        Box::new(self.clone())
    }
}
