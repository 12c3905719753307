//! What a service is doing and has done, counted for all threads that serve it.
use crate::call_failure::{CallFailure, Kind};
use capnp::Error;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Kinds of errors.
const KINDS: usize = 5;

/// The counters of a service.
pub struct Load {
    limit: AtomicU32,
    in_flight: AtomicU32,
    highest: AtomicU32,
    calls: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
    errors: [AtomicU64; KINDS],
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Calls in flight beyond which calls are refused, if there is a limit.
    pub limit: Option<u32>,
    /// Calls that were delivered and are not answered.
    pub in_flight: u32,
    /// The most that there were at the same time.
    pub highest: u32,
    /// Calls that were delivered.
    pub calls: u64,
    /// Bytes of their messages.
    pub received: u64,
    /// Bytes of their answers.
    pub sent: u64,
    /// Answers that were errors, by [`Kind`].
    pub errors: [u64; KINDS],
}

impl Default for Load {
    fn default() -> Self {
        Self {
            limit: AtomicU32::new(u32::MAX),
            in_flight: AtomicU32::new(0),
            highest: AtomicU32::new(0),
            calls: AtomicU64::new(0),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            errors: [const { AtomicU64::new(0) }; KINDS],
        }
    }
}

impl Load {
    /// Has calls refused while so many others are in flight.
    pub fn set_limit(&self, calls: u32) {
        self.limit.store(calls, Relaxed);
    }

    /// A call of so many bytes was delivered.
    #[inline]
    pub fn begin(&self, bytes: u32) {
        let in_flight = self.in_flight.fetch_add(1, Relaxed) + 1;
        if in_flight > self.highest.load(Relaxed) {
            self.highest.fetch_max(in_flight, Relaxed);
        }
        self.calls.fetch_add(1, Relaxed);
        self.received.fetch_add(bytes.into(), Relaxed);
    }

    /// The limit, if the calls in flight are beyond it.
    #[inline]
    pub fn exceeded(&self) -> Option<u32> {
        let limit = self.limit.load(Relaxed);
        (self.in_flight.load(Relaxed) > limit).then_some(limit)
    }

    /// An answer of so many bytes leaves.
    #[inline]
    pub fn answer(&self, bytes: u32) {
        self.sent.fetch_add(bytes.into(), Relaxed);
    }

    /// The answer is an error.
    pub fn fail(&self, error: &Error) {
        let kind = CallFailure::of(error).kind;
        self.errors[kind as usize].fetch_add(1, Relaxed);
    }

    /// A call was answered.
    #[inline]
    pub fn end(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
    }

    /// The counters now.
    pub fn figures(&self) -> Figures {
        let limit = self.limit.load(Relaxed);
        Figures {
            limit: (limit != u32::MAX).then_some(limit),
            in_flight: self.in_flight.load(Relaxed),
            highest: self.highest.load(Relaxed),
            calls: self.calls.load(Relaxed),
            received: self.received.load(Relaxed),
            sent: self.sent.load(Relaxed),
            errors: self.errors.each_ref().map(|count| count.load(Relaxed)),
        }
    }
}

impl Figures {
    /// How many answers were errors of this kind.
    pub fn errors_of(&self, kind: Kind) -> u64 {
        self.errors[kind as usize]
    }
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn calls_are_counted_and_limited() {
        let load = Load::default();
        load.begin(100);
        assert_eq!((load.exceeded(), load.figures().limit), (None, None), "no limit");
        load.set_limit(1);
        assert_eq!(load.exceeded(), None, "the call itself is within it");
        load.begin(20);
        assert_eq!(load.exceeded(), Some(1));
        load.fail(&Error::overloaded("busy".into()));
        load.fail(&Error::failed("invalid argument: 7".into()));
        load.end();
        load.answer(8);
        load.end();
        let figures = load.figures();
        assert_eq!((figures.in_flight, figures.highest, figures.calls, figures.limit), (0, 2, 2, Some(1)));
        assert_eq!((figures.received, figures.sent), (120, 8));
        let errors = [Kind::Failed, Kind::InvalidArgument, Kind::Overloaded].map(|kind| figures.errors_of(kind));
        assert_eq!(errors, [0, 1, 1]);
    }
}
