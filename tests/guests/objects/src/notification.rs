//! `Notification`: bits that stay set until they are taken.

use crate::Check;
use crate::verify::holds;
use campaign::wire::take_bits;
use capnp::capability::FromClientHook;
use capos_service::{Failure, RingCall, handle, slot};
use schema::ledger_capnp::ledger;
use schema::notification_capnp::notification;

pub const CHECKS: &[Check] = &[("Notification.signal", signal)];

/// A new one.
pub fn create() -> capnp::Result<notification::Client> {
    slot::<ledger::Client>("ledger")?.create_notification_request().call()?.get()?.get_notification()
}

/// Sets bits.
pub fn set(notification: &notification::Client, bits: u64) -> capnp::Result<()> {
    let mut request = notification.signal_request();
    request.get().set_bits(bits);
    request.call().map(drop)
}

fn signal() -> Result<(), Failure> {
    let notification = create()?;
    let waits = handle(notification.as_client_hook())?;
    for bits in [1 << 63, 2] {
        let mut request = notification.signal_request();
        request.get().set_bits(bits);
        request.call()?;
    }
    holds("what was set by two signals is taken at once", take_bits(waits) == 1 << 63 | 2)?;
    holds("and but once", take_bits(waits) == 0)
}
