//! `HandleManager`: what a process has given away, and takes back.

use crate::verify::{comes, holds, refused};
use crate::{Check, notification};
use campaign::{capability, wire};
use capnp::capability::FromClientHook;
use capnp::traits::HasTypeId;
use capos_abi::ring::{Submission, op};
use capos_abi::status;
use capos_service::{Failure, RingCall, handle, slot};
use schema::handle_manager_capnp::handle_manager::{self, Derived, Progress};
use schema::notification_capnp::notification as notifications;

pub const CHECKS: &[Check] = &[("HandleManager.revoke", revoke), ("HandleManager.inspect", inspect)];

/// A bit that nobody else sets.
const BIT: u64 = 1;

fn manager() -> capnp::Result<handle_manager::Client> {
    slot("handles")
}

fn revoke() -> Result<(), Failure> {
    let notification = notification::create()?;
    let original = handle(notification.as_client_hook())?;
    let copy = capability::copy(original).map_err(|failure| capability::refused("a copy", failure))?;
    let of_copy = capability::copy(copy).map_err(|failure| capability::refused("a copy", failure))?;
    let signal = |handle| wire::run(Submission { op: op::SIGNAL, handle, arg: BIT, ..Submission::default() }).status;
    holds("copies work", signal(of_copy) == status::OK)?;
    let revoke = || {
        let mut request = manager()?.revoke_request();
        request.get().set_handle(original);
        Ok::<_, Failure>(request.call()?.get()?.get_progress()?)
    };
    comes("revoking is done", || Ok(revoke()? == Progress::Done))?;
    holds("copies are stale", [copy, of_copy].map(signal) == [status::STALE; 2])?;
    holds("the handle itself works", signal(original) == status::OK)?;
    let mut stale = manager()?.revoke_request();
    stale.get().set_handle(copy);
    refused(stale.call(), status::STALE)
}

fn inspect() -> Result<(), Failure> {
    let notification = notification::create()?;
    let original = handle(notification.as_client_hook())?;
    let inspect = |handle| {
        let mut request = manager()?.inspect_request();
        request.get().set_handle(handle);
        let reply = request.call()?;
        let found = reply.get()?;
        Ok::<_, capnp::Error>((found.get_interface(), found.get_derived()?))
    };
    holds("nothing is derived", inspect(original)? == (notifications::Client::TYPE_ID, Derived::Nothing))?;
    let copy = capability::copy(original).map_err(|failure| capability::refused("a copy", failure))?;
    holds("a copy is", inspect(original)?.1 == Derived::Something)?;
    holds("a copy grants the same", inspect(copy)?.0 == notifications::Client::TYPE_ID)?;
    capos_rt::raw::release(copy);
    holds("a copy that is given up is not", inspect(original)?.1 == Derived::Nothing)?;
    refused(inspect(copy), status::STALE)
}
