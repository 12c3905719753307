//! Why a call failed, read from its `capnp::Error`: which side, what kind, which status, which words.
use crate::errors::{ACCEPTS, CAPABILITY, INVALID_ARGUMENT, KERNEL, REASONS, SENTENCES, SERVER};
use crate::exhausted::Exhausted;
use capnp::{Error, ErrorKind};
use capos_abi::status::{self, Status, transfer};

/// How capnp-rpc begins the text of an error that the far side answered with.
const REMOTE: &str = "remote exception: ";

/// Who says that a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The caller's own runtime: the call did not leave this process, or its answer could not be read.
    Caller,
    /// The kernel, which carries calls and serves its own objects.
    Kernel,
    /// The server, or the framework in it.
    Server,
}

/// What kind of failure it is: those of `Exception` (`schema/kernel/exception.capnp`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Calling again will fail again.
    Failed,
    /// It may work later, or with less.
    Overloaded,
    /// The object or its session is gone.
    Disconnected,
    /// This object does not offer the method.
    Unimplemented,
    /// An argument was at fault.
    InvalidArgument,
}

/// A failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallFailure<'a> {
    /// Who says so.
    pub side: Side,
    /// What kind.
    pub kind: Kind,
    /// The kernel's status, if it was the kernel that refused: one of `capos_abi::status`.
    pub status: Option<Status>,
    /// The sentence, without what the other fields say.
    pub message: &'a str,
}

/// Why a message with capabilities was refused. None of them has moved or was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The capability in this place of the message, counted from 0, cannot be sent.
    Capability(u8, Reason),
    /// The receiver accepts so many at most; 0: its ledger pays for none.
    Accepts(u8),
}

/// Why a capability cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Its sender does not hold it any more.
    Stale,
    /// The message moves it and sends it once more.
    MovedTwice,
    /// It is neither copied nor moved.
    UnknownMode,
    /// It may not leave the session that it was given to.
    Confined,
}

impl<'a> CallFailure<'a> {
    /// What an error of a call says.
    pub fn of(error: &'a Error) -> Self {
        let (side, text) = side_of(&error.extra);
        let status = if side == Side::Kernel { status_of(text).map(|(status, _)| status) } else { None };
        let (kind, message) = match (error.kind, text.strip_prefix(INVALID_ARGUMENT)) {
            (ErrorKind::Failed, Some(rest)) => (Kind::InvalidArgument, rest),
            (ErrorKind::Overloaded, _) => (Kind::Overloaded, text),
            (ErrorKind::Disconnected, _) => (Kind::Disconnected, text),
            (ErrorKind::Unimplemented, _) => (Kind::Unimplemented, text),
            _ => (Kind::Failed, text),
        };
        Self { side, kind, status, message }
    }

    /// What ran out, if that is why.
    pub fn exhausted(&self) -> Option<Exhausted> {
        if self.status != Some(status::EXHAUSTED) {
            return None;
        }
        self.message.split_once(": ").and_then(|(_, sentence)| Exhausted::read(sentence))
    }

    /// Why the kernel refused the capabilities of a message: of the call's, if it is the kernel that says so, of the answer's
    /// if it is the server.
    pub fn refusal(&self) -> Option<Refusal> {
        let text = self.message.strip_prefix(KERNEL).unwrap_or(self.message);
        let (status, figures) = status_of(text)?;
        match status {
            status::NOT_ACCEPTED => Some(Refusal::Accepts(figures.strip_prefix(ACCEPTS)?.parse().ok()?)),
            status::BAD_CAPABILITY => {
                let (place, words) = figures.strip_prefix(CAPABILITY)?.split_once(' ')?;
                let known = REASONS.iter().find(|(_, known)| *known == words)?;
                Some(Refusal::Capability(place.parse::<u8>().ok()?.checked_sub(1)?, reason_of(known.0)?))
            }
            _ => None,
        }
    }
}

fn reason_of(why: u8) -> Option<Reason> {
    match why {
        transfer::STALE => Some(Reason::Stale),
        transfer::MOVED_TWICE => Some(Reason::MovedTwice),
        transfer::UNKNOWN_MODE => Some(Reason::UnknownMode),
        transfer::CONFINED => Some(Reason::Confined),
        _ => None,
    }
}

fn side_of(text: &str) -> (Side, &str) {
    for (beginning, side) in [(KERNEL, Side::Kernel), (SERVER, Side::Server), (REMOTE, Side::Server)] {
        if let Some(rest) = text.strip_prefix(beginning) {
            return (side, rest);
        }
    }
    (Side::Caller, text)
}

/// The status that a sentence of the kernel tells, and the figures behind it.
fn status_of(text: &str) -> Option<(Status, &str)> {
    SENTENCES.iter().find_map(|(status, _, sentence)| Some((*status, text.strip_prefix(sentence)?)))
}

#[cfg(test)]
mod test {
    use super::*;
    use crate::errors::{from_exception, from_failure, from_status, to_exception, too_big};
    use crate::raw::Failure;
    use alloc::string::ToString;
    use capnp::message::{Builder, HeapAllocator};

    /// An error after its way from a server to a caller.
    fn over_the_ring(error: &Error) -> Error {
        let mut message = Builder::new(HeapAllocator::new());
        to_exception(error, message.init_root(), 600);
        from_exception(message.get_root_as_reader().expect("a root"))
    }

    #[test]
    fn every_status_is_told_with_its_kind_and_side() {
        for &(status, kind, sentence) in SENTENCES {
            let error = from_failure(Failure { status, bytes: 3, value: 3 });
            let failure = CallFailure::of(&error);
            assert_eq!((failure.side, failure.status, error.kind), (Side::Kernel, Some(status), kind), "{sentence}");
            let invalid = matches!(status, status::BAD_MESSAGE | status::BAD_ARGUMENT);
            assert_eq!(failure.kind == Kind::InvalidArgument, invalid, "{sentence}");
        }
        let unknown = from_status(-99);
        let failure = CallFailure::of(&unknown);
        assert_eq!((failure.side, failure.status, failure.message), (Side::Kernel, None, "unknown status -99"));
    }

    #[test]
    fn no_sentence_begins_like_another() {
        for (index, (.., one)) in SENTENCES.iter().enumerate() {
            assert!(
                SENTENCES.iter().skip(index + 1).all(|(.., other)| !one.starts_with(other) && !other.starts_with(one))
            );
        }
    }

    #[test]
    fn figures_are_named() {
        let bytes = u32::from(status::resource::FRAMES) << status::exhausted::RESOURCE_SHIFT | 7;
        let value = 16 << status::exhausted::REQUESTED_SHIFT | 3;
        let error = from_failure(Failure { status: status::EXHAUSTED, bytes, value });
        assert_eq!(error.extra, "kernel: exhausted: 16 page frames were asked for, and ledger 7 has 3 left");
        assert_eq!(CallFailure::of(&error).exhausted(), Some(Exhausted::from_completion(bytes, value)));
        let of_machine = Failure { status: status::EXHAUSTED, bytes: bytes & !7, value };
        assert!(from_failure(of_machine).extra.ends_with("16 page frames were asked for, and the machine has 3 left"));
        assert!(too_big(5000, 4096).extra.ends_with("it has 5000 bytes, and at most 4096 bytes are accepted"));
        assert_eq!(CallFailure::of(&too_big(5000, 4096)).status, Some(status::TOO_BIG));
        let stale = u64::from(status::transfer::STALE) << status::transfer::WHY_SHIFT | 2;
        let refused = from_failure(Failure { status: status::BAD_CAPABILITY, bytes: 0, value: stale });
        assert!(refused.extra.ends_with("capability 3 is stale"));
    }

    fn failed(status: Status, value: u64) -> Error {
        from_failure(Failure { status, bytes: 0, value })
    }

    #[test]
    fn a_refusal_names_the_capability_and_the_reason() {
        for (why, reason) in [
            (transfer::STALE, Reason::Stale),
            (transfer::MOVED_TWICE, Reason::MovedTwice),
            (transfer::UNKNOWN_MODE, Reason::UnknownMode),
            (transfer::CONFINED, Reason::Confined),
        ] {
            let error = failed(status::BAD_CAPABILITY, u64::from(why) << transfer::WHY_SHIFT | 14);
            let refusal = Some(Refusal::Capability(14, reason));
            assert_eq!(CallFailure::of(&error).refusal(), refusal, "{}", error.extra);
            assert_eq!(CallFailure::of(&over_the_ring(&error)).refusal(), refusal, "of an answer");
        }
        let few = failed(status::NOT_ACCEPTED, 3);
        assert_eq!(CallFailure::of(&few).refusal(), Some(Refusal::Accepts(3)));
        for other in [failed(status::STALE, 3), Error::failed("a capability of the message cannot be sent".into())] {
            assert_eq!(CallFailure::of(&other).refusal(), None, "{}", other.extra);
        }
    }

    #[test]
    fn what_a_server_says_keeps_kind_and_text_and_is_its_own_word() {
        let said = |error: Error, kind| {
            let (error, text) = (over_the_ring(&error), error.extra.replace(INVALID_ARGUMENT, ""));
            let failure = CallFailure::of(&error);
            assert_eq!((failure.side, failure.kind, failure.message), (Side::Server, kind, &*text));
        };
        said(Error::failed("broken".to_string()), Kind::Failed);
        said(Error::failed("invalid argument: 7".to_string()), Kind::InvalidArgument);
        said(Error::overloaded("busy".to_string()), Kind::Overloaded);
        said(Error::disconnected("gone".to_string()), Kind::Disconnected);
        said(Error::unimplemented("what?".to_string()), Kind::Unimplemented);
    }

    #[test]
    fn a_server_cannot_pass_for_the_kernel() {
        let forged = from_status(status::SERVER_DIED);
        let error = over_the_ring(&forged);
        let failure = CallFailure::of(&error);
        assert_eq!((failure.side, failure.status), (Side::Server, None));
        assert_eq!(failure.message, forged.extra, "the error of a call that the server made, as it tells it");
    }

    #[test]
    fn errors_of_the_own_side_and_of_a_remote_one() {
        let own = Error::failed("the message carries more than 15 capabilities".to_string());
        assert_eq!(CallFailure::of(&own).side, Side::Caller);
        let remote = Error::overloaded("remote exception: kernel: the deadline passed".to_string());
        let failure = CallFailure::of(&remote);
        assert_eq!((failure.side, failure.kind, failure.status), (Side::Server, Kind::Overloaded, None));
    }
}
