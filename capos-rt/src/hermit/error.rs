//! Error numbers.
use crate::raw::Failure;
use crate::startup;
use capos_abi::status;
use hermit_abi::errno::{
    EACCES, EAGAIN, ECONNRESET, EINTR, EINVAL, EIO, ENODEV, ENOMEM, ENOSYS, EPERM, EPIPE, ETIMEDOUT,
};

/// The error number that says best what went wrong with a kernel object or a service.
pub fn number(failure: Failure) -> i32 {
    match failure.status {
        status::STALE | status::SERVER_DIED => EPIPE,
        status::WRONG_INTERFACE | status::BAD_CAPABILITY => EPERM,
        status::UNIMPLEMENTED => ENOSYS,
        status::BAD_ARGUMENT | status::BAD_MESSAGE => EINVAL,
        status::EXHAUSTED => ENOMEM,
        status::UNAVAILABLE => ENODEV,
        status::CANCELLED => EINTR,
        status::DEADLINE => ETIMEDOUT,
        status::CALLER_GONE => ECONNRESET,
        status::BAD_STATE => EAGAIN,
        _ => EIO,
    }
}

/// The error of a function that needs the capability `slot`: not granted, or granted and not supported yet.
pub fn unsupported(slot: &str) -> i32 {
    match startup::capability(slot) {
        None => -EACCES,
        Some(_) => -ENOSYS,
    }
}

/// Errors are answered directly; none is remembered for later.
#[unsafe(no_mangle)]
extern "C" fn sys_get_errno() -> i32 {
    0
}
