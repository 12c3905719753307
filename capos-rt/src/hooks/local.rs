//! A capability that is an object of this very thread: calls reach its server without the kernel.
use super::LOCAL_BRAND;
use super::tag::{number, tag};
use super::unsent::HeapRequest;
use crate::object;
use alloc::boxed::Box;
use alloc::rc::Rc;
use capnp::capability::{FromClientHook, FromServer, Params, Promise, Request, Results};
use capnp::private::capability::{ClientHook, ParamsHook, ResultsHook};
use capnp::traits::HasTypeId;
use capnp::{Error, MessageSize, Result, any_pointer};
use capos_abi::handle::Handle;

/// Stands for an object.
pub struct LocalCapability;

/// A client of a new object. Passed out in a message, it is minted on the endpoint that this thread serves.
pub fn new_client<C: FromServer<S> + HasTypeId, S>(server: impl Into<Rc<S>>) -> C {
    FromClientHook::new(stand_for(object::create::<C, S>(server.into())))
}

/// A capability that takes over a reference to an object.
pub fn stand_for(index: u32) -> Box<dyn ClientHook> {
    tag::<LocalCapability>(index.into())
}

/// Whether a capability is an object of this thread.
pub fn is_local(hook: &dyn ClientHook) -> bool {
    hook.get_brand() == LOCAL_BRAND
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
        let target = self.add_ref();
        HeapRequest::begin(interface, method, move |request| request.deliver(&*target))
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
