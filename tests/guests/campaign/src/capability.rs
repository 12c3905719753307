//! What can be done to the own capabilities, in words of the kernel's interfaces.

use crate::wire;
use capos_abi::PAGE_BYTES;
use capos_abi::handle::Handle;
use capos_abi::interface::process::{self, grant};
use capos_abi::interface::{handle_manager, ledger, memory_object, virtual_memory};
use capos_abi::startup::slot;
use capos_abi::status;
use capos_rt::raw::{self, Failure, Message, Reply};
use capos_rt::{objects, startup};

/// The sentence that says what was refused.
pub fn refused(what: &str, failure: Failure) -> String {
    format!("{what} is refused with status {}", failure.status)
}

/// A copy of a capability, derived from it, in this very process.
pub fn copy(handle: Handle) -> Result<Handle, Failure> {
    let message = Message::new(grant::params::SHAPE).set_capability(grant::params::CAPABILITY, handle);
    let reply = raw::call(wire::given(slot::PROCESS), process::ID, grant::METHOD, &message, 0)?;
    Ok(reply.get(grant::results::HANDLE))
}

/// Whether anything is derived from a capability; `None`: there is no such capability.
pub fn has_derived(handle: Handle) -> Option<bool> {
    use handle_manager::{derived, inspect::results};
    inspect(handle).map(|reply| reply.get(results::DERIVED) == u64::from(derived::SOMETHING))
}

/// The interface that a capability was granted with; `None`: there is no such capability.
pub fn interface(handle: Handle) -> Option<u64> {
    inspect(handle).map(|reply| reply.get(handle_manager::inspect::results::INTERFACE))
}

fn inspect(handle: Handle) -> Option<Reply> {
    use handle_manager::{ID, inspect::*};
    let message = Message::new(params::SHAPE).set(params::HANDLE, handle);
    match raw::call(wire::given(slot::HANDLES), ID, METHOD, &message, 0) {
        Ok(reply) => Some(reply),
        Err(Failure { status: status::STALE, .. }) => None,
        Err(failure) => panic!("a handle is inspected with status {}", failure.status),
    }
}

/// Takes everything back that is derived from a capability. Returns when nothing of it is left.
pub fn revoke(handle: Handle) {
    while !revoke_step(handle) {}
}

/// Takes some of it back; whether nothing is left.
pub fn revoke_step(handle: Handle) -> bool {
    use handle_manager::{ID, progress, revoke::*};
    let message = Message::new(params::SHAPE).set(params::HANDLE, handle);
    match raw::call(wire::given(slot::HANDLES), ID, METHOD, &message, 0) {
        Ok(reply) => reply.get(results::PROGRESS) == u64::from(progress::DONE),
        Err(failure) => panic!("revoking ends with status {}", failure.status),
    }
}

/// A new notification.
pub fn create_notification() -> Result<Handle, Failure> {
    use ledger::{ID, create_notification::*};
    let made = raw::call(startup::ledger(), ID, METHOD, &Message::new(params::SHAPE), 1);
    made.map(|reply| reply.capability(results::NOTIFICATION))
}

/// Memory of a page with these words at its start, which nobody can write any more.
pub fn sealed(words: &[u64]) -> Result<Handle, Failure> {
    let memory = create_memory()?;
    let address = map(memory)?;
    for (index, &word) in words.iter().enumerate().take(PAGE_BYTES as usize / 8) {
        // SAFETY: the page was just mapped for this function alone.
        unsafe { std::ptr::with_exposed_provenance_mut::<u64>(address as usize).add(index).write_volatile(word) };
    }
    objects::unmap(address, PAGE_BYTES)?;
    use memory_object::{ID, seal::*};
    raw::call(memory, ID, METHOD, &Message::new(params::SHAPE), 0).map(|_| memory)
}

/// Memory of a page.
pub fn create_memory() -> Result<Handle, Failure> {
    use ledger::{ID, create_memory_object::*};
    let message = Message::new(params::SHAPE).set(params::BYTES, PAGE_BYTES);
    raw::call(startup::ledger(), ID, METHOD, &message, 1).map(|reply| reply.capability(results::MEMORY))
}

/// Maps such memory; where.
pub fn map(memory: Handle) -> Result<u64, Failure> {
    use virtual_memory::{ID, access::READ_WRITE, map::*};
    let message = Message::new(params::SHAPE).set_capability(params::OBJECT, memory);
    let message = message.set(params::BYTES, PAGE_BYTES).set(params::ACCESS, READ_WRITE.into());
    raw::call(startup::memory(), ID, METHOD, &message, 0).map(|reply| reply.get(results::ADDRESS))
}
