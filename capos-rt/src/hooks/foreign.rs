//! Capabilities of another transport, such as capnp-rpc: sent over the ring, each becomes an object of this thread that
//! passes every call on.
use crate::object::{self, Dispatch};
use alloc::boxed::Box;
use alloc::rc::Rc;
use capnp::capability::{DispatchCallResult, Params, Results};
use capnp::private::capability::ClientHook;
use capnp::{Result, any_pointer};
use capos_abi::handle::Handle;

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

/// The handle of a new object that stands for the capability until nobody refers to it.
pub fn origin(hook: &dyn ClientHook) -> Result<Handle> {
    object::origin_in_messages(object::create_dyn(INTERFACE, Rc::new(Foreign(hook.add_ref()))))
}
