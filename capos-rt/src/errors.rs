//! Ring statuses and capnp exceptions as `capnp::Error`, and back.
//!
//! An error says in its first word which side failed; [`CallFailure`] reads it.
//!
//! [`CallFailure`]: crate::call_failure::CallFailure
use crate::raw::Failure;
use alloc::format;
use alloc::string::String;
use capnp::{Error, ErrorKind, any_pointer};
use capos_abi::status::{self, Status, transfer};
use core::fmt::Display;
use schema::exception_capnp::exception;

/// How the text of an error begins that the kernel reported.
pub const KERNEL: &str = "kernel: ";
/// How the text of an error begins that the server answered with. Its own words follow, so it cannot pass for the kernel.
pub const SERVER: &str = "server: ";
/// How an error of kind `Failed` goes on if an argument was at fault.
pub const INVALID_ARGUMENT: &str = "invalid argument: ";

/// What the kernel's statuses mean: kind and sentence, which figures may follow. No sentence begins like another one.
pub const SENTENCES: &[(Status, ErrorKind, &str)] = &[
    (status::BAD_OPCODE, ErrorKind::Failed, "invalid entry: unknown operation"),
    (status::BAD_FLAGS, ErrorKind::Failed, "invalid entry: unknown flag"),
    (status::BAD_RANGE, ErrorKind::Failed, "invalid entry: a range lies outside of the arena"),
    (status::BAD_TAG, ErrorKind::Failed, "invalid entry: the tag is in use"),
    (status::BAD_MESSAGE, ErrorKind::Failed, "invalid argument: the method does not accept this message"),
    (status::BAD_ARGUMENT, ErrorKind::Failed, "invalid argument: a value lies outside of what the method allows"),
    (status::BAD_CAPABILITY, ErrorKind::Failed, "a capability of the message cannot be sent"),
    (status::BAD_STATE, ErrorKind::Failed, "the object is in a state that does not allow this"),
    (status::UNAVAILABLE, ErrorKind::Failed, "this machine has no source for what was asked"),
    (status::CANCELLED, ErrorKind::Failed, "cancelled"),
    (status::TOO_LATE, ErrorKind::Failed, "too late to cancel"),
    (status::EXHAUSTED, ErrorKind::Overloaded, "exhausted"),
    (status::TOO_BIG, ErrorKind::Overloaded, "the message is larger than the receiver accepts"),
    (status::NOT_ACCEPTED, ErrorKind::Overloaded, "the receiver accepts fewer capabilities than the message carries"),
    (status::DEADLINE, ErrorKind::Overloaded, "the deadline passed"),
    (status::STALE, ErrorKind::Disconnected, "the capability is stale: its object is gone"),
    (status::SERVER_DIED, ErrorKind::Disconnected, "the server died; the call may have been executed"),
    (status::CALLER_GONE, ErrorKind::Disconnected, "the caller is gone"),
    (status::SESSION_ENDED, ErrorKind::Disconnected, "the session has ended"),
    (status::WRONG_INTERFACE, ErrorKind::Unimplemented, "the capability does not have this interface"),
    (status::UNIMPLEMENTED, ErrorKind::Unimplemented, "the interface has no such method"),
];

/// What follows the sentence of `BAD_CAPABILITY`: which one, counted from 1, then one of [`REASONS`].
pub const CAPABILITY: &str = ": capability ";
/// What follows the sentence of `NOT_ACCEPTED`: how many are accepted.
pub const ACCEPTS: &str = ": it takes ";
/// Why a capability of a message cannot be sent, by the kernel's number.
pub const REASONS: &[(u8, &str)] = &[
    (transfer::STALE, "is stale"),
    (transfer::MOVED_TWICE, "is moved and sent once more"),
    (transfer::UNKNOWN_MODE, "is sent in an unknown way"),
    (transfer::CONFINED, "may not leave its session"),
];

/// The error for an operation that ended with this status and no figures.
pub fn from_status(status: Status) -> Error {
    with_figures(status, "")
}

/// The error of a failed operation.
pub fn from_failure(failure: Failure) -> Error {
    let Failure { status, value, .. } = failure;
    let figures = match status {
        status::EXHAUSTED => failure.exhausted().map(|what| format!(": {what}")).unwrap_or_default(),
        status::TOO_BIG if value > 0 => format!(": it takes at most {value} bytes"),
        status::NOT_ACCEPTED => format!("{ACCEPTS}{value}"),
        status::BAD_CAPABILITY => refused(value),
        _ => String::new(),
    };
    with_figures(status, &figures)
}

fn with_figures(status: Status, figures: &str) -> Error {
    match SENTENCES.iter().find(|(known, ..)| *known == status) {
        Some((_, kind, sentence)) => Error { kind: *kind, extra: format!("{KERNEL}{sentence}{figures}") },
        None => Error::failed(format!("{KERNEL}unknown status {status}")),
    }
}

/// The error of a message of `bytes` where at most `limit` go.
pub fn too_big(bytes: u32, limit: u64) -> Error {
    with_figures(status::TOO_BIG, &format!(": it has {bytes} bytes, and at most {limit} bytes are accepted"))
}

/// The error of a method whose caller has given it something it cannot use.
pub fn invalid_argument(what: impl Display) -> Error {
    Error::failed(format!("{INVALID_ARGUMENT}{what}"))
}

/// Which capability of a message cannot be sent, and why.
fn refused(value: u64) -> String {
    let place = (value & ((1 << transfer::WHY_SHIFT) - 1)) + 1;
    let why = (value >> transfer::WHY_SHIFT) as u8;
    let known = REASONS.iter().find(|(reason, _)| *reason == why);
    format!("{CAPABILITY}{place} {}", known.map_or("is refused", |(_, words)| words))
}

/// The error that a server's exception stands for.
pub fn from_exception(root: any_pointer::Reader<'_>) -> Error {
    const SILENT: &str = "it failed without saying why";
    let Ok(exception) = root.get_as::<exception::Reader<'_>>() else {
        return Error::failed(format!("{SERVER}{SILENT}"));
    };
    let text = exception.get_message().ok().and_then(|text| text.to_str().ok()).filter(|text| !text.is_empty());
    let text = text.unwrap_or(SILENT);
    let (kind, reason) = match exception.get_kind() {
        Ok(exception::Kind::Overloaded) => (ErrorKind::Overloaded, ""),
        Ok(exception::Kind::Disconnected) => (ErrorKind::Disconnected, ""),
        Ok(exception::Kind::Unimplemented) => (ErrorKind::Unimplemented, ""),
        Ok(exception::Kind::InvalidArgument) => (ErrorKind::Failed, INVALID_ARGUMENT),
        Ok(exception::Kind::Failed) | Err(_) => (ErrorKind::Failed, ""),
    };
    Error { kind, extra: format!("{SERVER}{reason}{text}") }
}

/// Writes an error as the exception that a caller gets; the text is cut at `text_bytes`.
pub fn to_exception(error: &Error, root: any_pointer::Builder<'_>, text_bytes: usize) {
    let mut exception = root.init_as::<exception::Builder<'_>>();
    let text = if error.extra.is_empty() { format!("{:?}", error.kind) } else { error.extra.clone() };
    let (kind, text) = match (error.kind, text.strip_prefix(INVALID_ARGUMENT)) {
        (ErrorKind::Failed, Some(rest)) => (exception::Kind::InvalidArgument, rest),
        (ErrorKind::Overloaded, _) => (exception::Kind::Overloaded, &*text),
        (ErrorKind::Disconnected, _) => (exception::Kind::Disconnected, &*text),
        (ErrorKind::Unimplemented, _) => (exception::Kind::Unimplemented, &*text),
        _ => (exception::Kind::Failed, &*text),
    };
    exception.set_kind(kind);
    exception.set_message(&text[..text.floor_char_boundary(text_bytes)]);
}
