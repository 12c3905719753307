//! Capabilities of another transport, such as capnp-rpc: sent over the ring, each becomes an object of this thread that
//! passes every call on.
use super::local;
use crate::object::{self, Dispatch};
use alloc::boxed::Box;
use alloc::rc::Rc;
use capnp::any_pointer;
use capnp::capability::{DispatchCallResult, Params, Results};
use capnp::private::capability::ClientHook;

/// What is attested as granted: the transport does not say which interface the other side granted, and checks it there.
const INTERFACE: u64 = u64::from_be_bytes(*b"foreign\0");

struct Foreign(Box<dyn ClientHook>);

impl Dispatch for Foreign {
    fn dispatch(
        &self,
        interface: u64,
        method: u16,
        params: Params<any_pointer::Owned>,
        results: Results<any_pointer::Owned>,
    ) -> DispatchCallResult {
        DispatchCallResult::new(self.0.call(interface, method, params.hook, results.hook), false)
    }
}

/// An object of this thread that stands for the capability until nobody refers to it.
pub fn stand_in(hook: &dyn ClientHook) -> Box<dyn ClientHook> {
    local::stand_for(object::create_dyn(INTERFACE, Rc::new(Foreign(hook.add_ref()))))
}
