//! What programs are made of: take slots, serve objects, start other programs.
//!
//! ```ignore
//! fn main() -> ExitCode {
//!     capos_service::run(async |context| {
//!         context.offer::<echo::Client, _>(Echo)?;
//!         context.serve().await
//!     })
//! }
//! ```
//! [`Context`] holds what the program was given, [`Service`] serves an endpoint, [`spawn`] starts other programs.

mod context;
mod failure;
mod lifecycle;
mod limit;
pub mod mapping;
pub mod queue;
pub mod retry;
mod service;
mod slot;
pub mod spawn;
pub mod time;

pub use capos_abi::message::attribute;
pub use capos_abi::status;
pub use capos_rt::call_failure::{CallFailure, Kind, Reason, Refusal, Side};
pub use capos_rt::errors::invalid_argument;
pub use capos_rt::executor::{block_on, spawn_local};
pub use capos_rt::hooks::blocking::RingCall;
pub use capos_rt::hooks::local::new_client;
pub use capos_rt::hooks::moving::moving;
pub use capos_rt::incoming::{Caller, caller};
pub use capos_rt::receiver::CONTROL_KEY;
pub use context::Context;
pub use failure::Failure;
pub use limit::new_limited_client;
pub use service::{SERVED_TWICE, Service};
pub use slot::{any_slot, export, handle, import, is_own, slot};
pub use time::{deadline_in, sleep};

use capnp::capability::FromClientHook;
use schema::notification_capnp::notification;
use std::process::ExitCode;

/// Runs a program: its main function gets what the program was given. An error is printed as one sentence, with exit code 1.
pub fn run(main: impl AsyncFnOnce(Context) -> Result<(), Failure>) -> ExitCode {
    match block_on(main(Context::new())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{}", failure.text());
            ExitCode::FAILURE
        }
    }
}

/// Waits for any of `bits` of a notification, and takes them.
pub async fn wait(notification: &notification::Client, bits: u64) -> capnp::Result<u64> {
    let handle = handle(notification.as_client_hook())?;
    capos_rt::wait::notification(handle, bits, 0).await
}
