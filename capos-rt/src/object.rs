//! Objects of this thread: servers that are called locally, or over the endpoint on which they were minted.
use crate::errors;
use crate::handles::release_unreferenced;
use crate::raw::{self, Message};
use crate::runtime::RUNTIME;
use alloc::rc::Rc;
use capnp::capability::{DispatchCallResult, FromServer, Params, Results};
use capnp::traits::HasTypeId;
use capnp::{Error, Result, any_pointer};
use capos_abi::handle::{Handle, NULL};
use capos_abi::interface::endpoint_server;
use core::cell::{Cell, RefCell};
use core::sync::atomic::{AtomicU32, Ordering};

/// Keys below this are minted by the endpoint's owner; those of objects in this file have a generation above.
pub const FIRST_OWN_KEY: u64 = 1 << 32;

/// What can be called: `capnp::capability::Server` as a trait object.
pub trait Dispatch {
    /// Calls a method of an interface.
    fn dispatch(
        &self,
        interface: u64,
        method: u16,
        params: Params<any_pointer::Owned>,
        results: Results<any_pointer::Owned>,
    ) -> DispatchCallResult;
}

impl<S: capnp::capability::Server + Clone> Dispatch for S {
    fn dispatch(
        &self,
        interface: u64,
        method: u16,
        params: Params<any_pointer::Owned>,
        results: Results<any_pointer::Owned>,
    ) -> DispatchCallResult {
        self.clone().dispatch_call(interface, method, params, results)
    }
}

/// What calls for a server of `C`.
pub fn dispatcher<C: FromServer<S>, S>(server: Rc<S>) -> Rc<dyn Dispatch> {
    Rc::new(C::from_server(server))
}

/// An object.
#[derive(Default)]
pub struct Object {
    server: RefCell<Option<Rc<dyn Dispatch>>>,
    interface: Cell<u64>,
    generation: Cell<u32>,
    /// Capabilities of this thread that stand for it.
    references: Cell<u32>,
    /// Origin of what was passed out; 0: nothing was.
    origin: Cell<Handle>,
    /// Perhaps nothing that was passed out exists, and no notice of that will come: the message did not arrive, or the notice
    /// came while this thread still used the object.
    unannounced: Cell<bool>,
}

/// Makes an object of a server, with one reference.
pub fn create<C: FromServer<S> + HasTypeId, S>(server: Rc<S>) -> u32 {
    create_dyn(C::TYPE_ID, dispatcher::<C, S>(server))
}

/// Makes an object of what calls for `interface` go to, with one reference.
pub fn create_dyn(interface: u64, server: Rc<dyn Dispatch>) -> u32 {
    let index = RUNTIME.objects.take();
    let object = RUNTIME.objects.get(index);
    *object.server.borrow_mut() = Some(server);
    object.interface.set(interface);
    object.generation.set(next_generation());
    object.references.set(1);
    index
}

/// A number that no other object of the process has: threads that serve one endpoint must not mint equal keys.
fn next_generation() -> u32 {
    static LAST: AtomicU32 = AtomicU32::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) % u32::MAX + 1
}

/// The server of an object.
pub fn server(index: u32) -> Option<Rc<dyn Dispatch>> {
    RUNTIME.objects.get(index).server.borrow().clone()
}

/// The server of the object that was minted with this interface and key.
pub fn find(interface: u64, key: u64) -> Option<Rc<dyn Dispatch>> {
    let object = by_key(key)?;
    (object.interface.get() == interface).then(|| object.server.borrow().clone())?
}

fn by_key(key: u64) -> Option<&'static Object> {
    RUNTIME.objects.find(key as u32).filter(|object| u64::from(object.generation.get()) == key >> 32)
}

/// Adds a reference.
pub fn add_reference(index: u32) {
    let references = &RUNTIME.objects.get(index).references;
    references.set(references.get() + 1);
}

/// Takes a reference away. The object ends if nothing of it was passed out, or nothing that was passed out is left.
pub fn drop_reference(index: u32) {
    let object = RUNTIME.objects.get(index);
    object.references.set(object.references.get() - 1);
    if object.references.get() == 0 && object.unannounced.get() {
        give_up_origin(object);
    }
    end_if_unused(index, object);
}

/// Gives the origin up, unless a capability derived from it exists: then a notice will come. Entries of the ring start in order,
/// so whatever was sent before has arrived or was refused.
fn give_up_origin(object: &Object) {
    object.unannounced.set(false);
    if release_unreferenced(object.origin.get()) {
        object.origin.set(NULL);
    }
}

fn end_if_unused(index: u32, object: &Object) {
    if object.references.get() != 0 || object.origin.get() != NULL {
        return;
    }
    let server = object.server.borrow_mut().take();
    RUNTIME.objects.give(index);
    drop(server); // user code: the record is already free
}

/// The key under which an object is minted.
pub fn key(index: u32) -> u64 {
    u64::from(RUNTIME.objects.get(index).generation.get()) << 32 | u64::from(index)
}

/// The origin from which copies are passed out, minted at the first time on the endpoint that this thread serves.
pub fn origin(index: u32) -> Result<Handle> {
    let object = RUNTIME.objects.get(index);
    if object.origin.get() == NULL {
        object.origin.set(mint(object.interface.get(), key(index))?);
        object.unannounced.set(true);
    }
    Ok(object.origin.get())
}

fn mint(interface: u64, key: u64) -> Result<Handle> {
    let endpoint = RUNTIME.endpoint.get();
    if endpoint == NULL {
        return Err(Error::failed("an object can be passed out only by a thread that serves an endpoint".into()));
    }
    use endpoint_server::mint::{METHOD, params, results};
    let message = Message::new(params::SHAPE).set(params::INTERFACE_ID, interface).set(params::KEY, key);
    let reply = raw::call(endpoint, endpoint_server::ID, METHOD, &message, 1).map_err(errors::from_failure)?;
    Ok(reply.capability(results::OBJECT))
}

/// The object of this thread that a received capability stands for, if it is one; with a reference.
pub fn recognise(received: Handle) -> Option<u32> {
    let endpoint = RUNTIME.endpoint.get();
    if endpoint == NULL {
        return None;
    }
    use endpoint_server::identify::{METHOD, params, results};
    let message = Message::new(params::SHAPE).set_capability(params::OBJECT, received);
    let reply = raw::call(endpoint, endpoint_server::ID, METHOD, &message, 0).ok()?;
    if reply.get(results::MINTER) != u64::from(endpoint_server::minter::CALLER) {
        return None;
    }
    let key = reply.get(results::KEY);
    let object = by_key(key).filter(|object| object.interface.get() == reply.get(results::INTERFACE_ID))?;
    object.references.set(object.references.get() + 1);
    Some(key as u32)
}

/// Nothing that was passed out from this origin is left: the object ends, unless it was passed out again, or as soon as this
/// thread does not use it any more: a call that carries it may be under way.
pub fn unreferenced(origin: Handle) {
    let Some(index) = RUNTIME.objects.position(|object| object.origin.get() == origin) else { return };
    let object = RUNTIME.objects.get(index);
    if object.references.get() == 0 {
        give_up_origin(object);
        end_if_unused(index, object);
    } else {
        object.unannounced.set(true);
    }
}
