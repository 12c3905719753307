//! A capability that is a handle of this process.
use super::request::RingRequest;
use super::tag::{number, stand_for, tag};
use super::{RING_BRAND, request};
use crate::call;
use crate::runtime::RUNTIME;
use alloc::boxed::Box;
use capnp::capability::{Promise, Request};
use capnp::private::capability::{ClientHook, ParamsHook, ResultsHook};
use capnp::{Error, MessageSize, Result, any_pointer};
use capos_abi::handle::Handle;

/// Stands for a handle.
pub struct RingCapability;

/// A capability that holds `handle`: it is released when the last capability of this thread for it is dropped.
#[inline]
pub fn adopt(handle: Handle) -> Box<dyn ClientHook> {
    RUNTIME.handles.add(handle);
    tag::<RingCapability>(handle)
}

/// The handle of a capability, which keeps holding it; `None` if it is none of this process's handles.
pub fn handle(hook: &dyn ClientHook) -> Option<Handle> {
    (hook.get_brand() == RING_BRAND).then(|| hook.get_ptr() as Handle)
}

impl Drop for RingCapability {
    #[inline]
    fn drop(&mut self) {
        RUNTIME.handles.drop(number(self));
    }
}

impl ClientHook for RingCapability {
    #[inline]
    fn add_ref(&self) -> Box<dyn ClientHook> {
        adopt(number(self))
    }

    #[inline]
    fn new_call(
        &self,
        interface: u64,
        method: u16,
        _: Option<MessageSize>,
    ) -> Request<any_pointer::Owned, any_pointer::Owned> {
        Request::new(stand_for::<RingRequest>(call::begin(number(self), interface, method)))
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
        RING_BRAND
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

/// The handle of a capability, which nobody of this thread holds any more. Refused if others stand for the same handle.
pub fn detach(hook: Box<dyn ClientHook>) -> Result<Handle> {
    let handle =
        handle(&*hook).ok_or_else(|| Error::failed("this capability is not a handle of this process".into()))?;
    if !RUNTIME.handles.detach(handle) {
        return Err(Error::failed("other clients of this thread hold the same handle".into()));
    }
    core::mem::forget(hook);
    Ok(handle)
}
