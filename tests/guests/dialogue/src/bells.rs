//! Notifications, which this test passes around: whoever holds one can ring it, and its maker hears that.

use capos_service::{Failure, handle, import, slot};
use schema::handle_manager_capnp::handle_manager::{self, Derived, Progress};
use schema::ledger_capnp::ledger;
use schema::notification_capnp::notification;
use schema::process_capnp::process::{self, Reach};

/// Bits of every bell.
const ALL: u64 = u64::MAX;
/// A deadline that has passed.
const PAST: u64 = 1;

/// A new bell.
pub async fn bell() -> Result<notification::Client, Failure> {
    let made = slot::<ledger::Client>("ledger")?.create_notification_request().send().promise.await?;
    Ok(made.get()?.get_notification()?)
}

/// So many new bells.
pub async fn bells(count: usize) -> Result<Vec<notification::Client>, Failure> {
    let mut bells = Vec::new();
    for _ in 0..count {
        bells.push(bell().await?);
    }
    Ok(bells)
}

/// Whether ringing it works.
pub async fn ring(bell: &notification::Client, bits: u64) -> bool {
    let mut request = bell.signal_request();
    request.get().set_bits(bits);
    request.send().promise.await.is_ok()
}

/// The bits that were rung since the last time.
pub async fn heard(bell: &notification::Client) -> Result<u64, Failure> {
    let heard = capos_rt::wait::notification(handle(bell.client.hook.as_ref())?, ALL, PAST).await;
    Ok(heard.unwrap_or_default())
}

/// A copy, derived from it, in this very process.
pub async fn copy(bell: &notification::Client, reach: Reach) -> Result<notification::Client, Failure> {
    let mut request = slot::<process::Client>("process")?.grant_request();
    request.get().init_capability().set_as_capability(bell.client.hook.clone());
    request.get().set_reach(reach);
    Ok(import(request.send().promise.await?.get()?.get_handle()))
}

/// A copy that was revoked.
pub async fn stale(bell: &notification::Client) -> Result<notification::Client, Failure> {
    let copy = copy(bell, Reach::Open).await?;
    let mut request = slot::<handle_manager::Client>("handles")?.revoke_request();
    request.get().set_handle(handle(bell.client.hook.as_ref())?);
    while request.send().promise.await?.get()?.get_progress()? != Progress::Done {
        request = slot::<handle_manager::Client>("handles")?.revoke_request();
        request.get().set_handle(handle(bell.client.hook.as_ref())?);
    }
    Ok(copy)
}

/// Whether anything that was derived from it is left, anywhere.
pub async fn has_copies(bell: &notification::Client) -> Result<bool, Failure> {
    let mut request = slot::<handle_manager::Client>("handles")?.inspect_request();
    request.get().set_handle(handle(bell.client.hook.as_ref())?);
    Ok(request.send().promise.await?.get()?.get_derived()? == Derived::Something)
}
