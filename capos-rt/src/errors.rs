//! Ring statuses and capnp exceptions as `capnp::Error`, and back.
use alloc::format;
use alloc::string::String;
use capnp::{Error, ErrorKind, any_pointer};
use capos_abi::status::{self, Status, resource, transfer};
use schema::exception_capnp::exception;

/// The error for a completion that ended with `status`; `value` as in the completion.
pub fn from_status(status: Status, value: u64) -> Error {
    let text = describe(status);
    match status {
        status::SERVER_DIED | status::STALE | status::CALLER_GONE | status::SESSION_ENDED => {
            Error::disconnected(text.into())
        }
        status::EXHAUSTED => Error::overloaded(exhausted(value)),
        status::TOO_BIG if value > 0 => {
            Error::overloaded(format!("the message is {text}: it takes at most {value} bytes"))
        }
        status::NOT_ACCEPTED => Error::overloaded(format!("{text}: it takes {value}")),
        status::BAD_CAPABILITY => Error::failed(refused(value)),
        status::TOO_BIG | status::DEADLINE => Error::overloaded(text.into()),
        status::WRONG_INTERFACE | status::UNIMPLEMENTED => Error::unimplemented(text.into()),
        _ if text.is_empty() => Error::failed(format!("the kernel answered with status {status}")),
        _ => Error::failed(text.into()),
    }
}

/// The error of a message of `bytes` where at most `limit` go.
pub fn too_big(bytes: u32, limit: u64) -> Error {
    Error::overloaded(format!(
        "the message has {bytes} bytes, more than the receiver accepts: it takes at most {limit} bytes"
    ))
}

/// The error of a failed blocking operation.
pub fn from_failure(failure: crate::raw::Failure) -> Error {
    from_status(failure.status, failure.value)
}

fn describe(status: Status) -> &'static str {
    match status {
        status::BAD_OPCODE => "invalid entry: unknown operation",
        status::BAD_FLAGS => "invalid entry: unknown flag",
        status::BAD_RANGE => "invalid entry: a range lies outside of the arena",
        status::BAD_TAG => "invalid entry: the tag is in use",
        status::BAD_MESSAGE => "invalid argument: the method does not accept this message",
        status::BAD_ARGUMENT => "invalid argument: a value lies outside of what the method allows",
        status::STALE => "the capability is stale: its object is gone",
        status::WRONG_INTERFACE => "the capability does not have this interface",
        status::UNIMPLEMENTED => "the interface has no such method",
        status::NOT_ACCEPTED => "the receiver accepts fewer capabilities than the message carries",
        status::TOO_BIG => "larger than the receiver accepts",
        status::BAD_STATE => "the object is in a state that does not allow this",
        status::UNAVAILABLE => "this machine has no source for what was asked",
        status::CANCELLED => "cancelled",
        status::DEADLINE => "the deadline passed",
        status::SERVER_DIED => "the server died; the call may have been executed",
        status::CALLER_GONE => "the caller is gone",
        status::SESSION_ENDED => "the session has ended",
        status::TOO_LATE => "too late to cancel",
        _ => "",
    }
}

/// Which capability of a message cannot be sent, and why.
fn refused(value: u64) -> String {
    let place = (value & ((1 << transfer::WHY_SHIFT) - 1)) + 1;
    let why = match (value >> transfer::WHY_SHIFT) as u8 {
        transfer::STALE => "is stale",
        transfer::MOVED_TWICE => "is moved and sent once more",
        transfer::CONFINED => "may not leave its session",
        _ => "cannot be sent",
    };
    format!("capability {place} of the message {why}")
}

fn exhausted(value: u64) -> String {
    let left = value & ((1 << status::REMAINDER_BITS) - 1);
    let name = match (value >> status::REMAINDER_BITS) as u8 {
        resource::FRAMES => "page frames",
        resource::HANDLES => "handles",
        resource::OBJECTS => "kernel objects",
        resource::THREADS => "threads",
        resource::MACHINE_FRAMES => return format!("out of memory: the machine has {left} page frames left"),
        _ => return "a resource ran out".into(),
    };
    format!("out of {name}: the ledger has {left} left")
}

/// The error that a server's exception stands for.
pub fn from_exception(root: any_pointer::Reader<'_>) -> Error {
    let Ok(exception) = root.get_as::<exception::Reader<'_>>() else {
        return Error::failed("the server failed without saying why".into());
    };
    let text = exception.get_message().ok().and_then(|text| text.to_string().ok()).filter(|text| !text.is_empty());
    let text = text.unwrap_or_else(|| "the server failed without saying why".into());
    match exception.get_kind() {
        Ok(exception::Kind::Overloaded) => Error::overloaded(text),
        Ok(exception::Kind::Disconnected) => Error::disconnected(text),
        Ok(exception::Kind::Unimplemented) => Error::unimplemented(text),
        Ok(exception::Kind::InvalidArgument) => Error::failed(format!("invalid argument: {text}")),
        Ok(exception::Kind::Failed) | Err(_) => Error::failed(text),
    }
}

/// Writes an error as the exception that a caller gets; the text is cut at `text_bytes`.
pub fn to_exception(error: &Error, root: any_pointer::Builder<'_>, text_bytes: usize) {
    let mut exception = root.init_as::<exception::Builder<'_>>();
    let text = if error.extra.is_empty() { format!("{:?}", error.kind) } else { error.extra.clone() };
    let (kind, text) = match (error.kind, text.strip_prefix("invalid argument: ")) {
        (ErrorKind::Failed, Some(rest)) => (exception::Kind::InvalidArgument, rest),
        (ErrorKind::Overloaded, _) => (exception::Kind::Overloaded, &*text),
        (ErrorKind::Disconnected, _) => (exception::Kind::Disconnected, &*text),
        (ErrorKind::Unimplemented, _) => (exception::Kind::Unimplemented, &*text),
        _ => (exception::Kind::Failed, &*text),
    };
    exception.set_kind(kind);
    exception.set_message(&text[..text.floor_char_boundary(text_bytes)]);
}
