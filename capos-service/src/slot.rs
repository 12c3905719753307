//! The capabilities that this program was given, by the names of its slots.

use capnp::Error;
use capnp::capability::FromClientHook;
use capnp::private::capability::ClientHook;
use capnp::traits::HasTypeId;
use capos_rt::hooks::capability::{self, adopt};
use capos_rt::hooks::local::is_local;
use capos_rt::startup;
use schema::table;
use std::mem::forget;

/// The capability in the slot `name`. It is refused if it is not of the type asked for or one that extends it.
pub fn slot<C: FromClientHook + HasTypeId>(name: &str) -> Result<C, Error> {
    let (interface, hook) = any_slot(name)?;
    let fits = interface == C::TYPE_ID
        || table::by_id(interface).is_some_and(|interface| interface.extends.contains(&C::TYPE_ID));
    if !fits {
        return Err(Error::failed(format!("the slot \"{name}\" holds another interface")));
    }
    Ok(C::new(hook))
}

/// The capability in the slot `name`, whatever it is, and the interface that was granted.
pub fn any_slot(name: &str) -> Result<(u64, Box<dyn ClientHook>), Error> {
    let capability =
        startup::capability(name).ok_or_else(|| Error::failed(format!("nothing was given in the slot \"{name}\"")))?;
    let hook = adopt(capability.handle);
    // Slots last as long as the process: the last client of one does not release it.
    forget(hook.add_ref());
    Ok((capability.interface, hook))
}

/// The handle of a capability, which keeps holding it.
pub fn handle(hook: &dyn ClientHook) -> Result<u64, Error> {
    capability::handle(hook).ok_or_else(|| Error::failed("this capability is not a handle of this process".into()))
}

/// Whether a client is an object of this very thread, which is called without the kernel.
pub fn is_own<C: FromClientHook>(client: &C) -> bool {
    is_local(client.as_client_hook())
}

/// A client that holds a handle of this process, and releases it in the end.
pub fn import<C: FromClientHook>(handle: u64) -> C {
    C::new(capability::adopt(handle))
}

/// The handle of a client, which the caller holds from now on: to [`import`] it in another thread, for example.
/// It is refused if other clients of this thread stand for the same handle.
pub fn export<C: FromClientHook>(client: C) -> Result<u64, Error> {
    capability::detach(client.into_client_hook())
}
