//! `Null`: does nothing, for those who may.

use crate::Check;
use capos_service::{Failure, RingCall, slot};
use schema::null_capnp::null;

pub const CHECKS: &[Check] = &[("Null.call", call)];

fn call() -> Result<(), Failure> {
    Ok(slot::<null::Client>("null")?.call_request().call()?.get().map(drop)?)
}
