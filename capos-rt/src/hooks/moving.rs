//! A capability that leaves this process with the message that it is sent in.
//!
//! The receiver's grant takes the place of this one. Until the call has completed the handle is kept here: a call that
//! fails before delivery leaves the capability where it was. Of a handle that has left, the release is refused as stale,
//! which nobody sees.
use super::capability::detach;
use super::{MOVING_BRAND, broken::Broken};
use crate::raw;
use alloc::boxed::Box;
use alloc::rc::Rc;
use capnp::capability::{FromClientHook, Promise, Request};
use capnp::private::capability::{ClientHook, ParamsHook, ResultsHook};
use capnp::{Error, MessageSize, Result, any_pointer};
use capos_abi::handle::Handle;

/// Holds a handle outside of the thread's count.
struct Held(Handle);

impl Drop for Held {
    fn drop(&mut self) {
        raw::release(self.0);
    }
}

/// A capability to be moved.
struct Moving(Rc<Held>);

/// The client as one that is moved, not copied, when it is sent. It must be the last one of this thread for its handle.
pub fn moving<C: FromClientHook>(client: C) -> Result<C> {
    let held = Held(detach(client.into_client_hook())?);
    Ok(C::new(Box::new(Moving(Rc::new(held)))))
}

impl ClientHook for Moving {
    fn add_ref(&self) -> Box<dyn ClientHook> {
        Box::new(Self(self.0.clone()))
    }

    fn new_call(
        &self,
        interface: u64,
        method: u16,
        size: Option<MessageSize>,
    ) -> Request<any_pointer::Owned, any_pointer::Owned> {
        Broken(unusable()).new_call(interface, method, size)
    }

    fn call(&self, _: u64, _: u16, _: Box<dyn ParamsHook>, _: Box<dyn ResultsHook>) -> Promise<(), Error> {
        Promise::err(unusable())
    }

    fn get_brand(&self) -> usize {
        MOVING_BRAND
    }

    fn get_ptr(&self) -> usize {
        self.0.0 as usize
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

fn unusable() -> Error {
    Error::failed("a capability that is about to be moved cannot be called".into())
}
