//! Deadlines of calls that have not left: the kernel, which minds those of all others, does not know them yet. One WAIT serves all
//! of a thread.
use super::end::take_back;
use super::{Call, State, fail};
use crate::errors;
use crate::ring;
use crate::runtime::{RUNTIME, class};
use capos_abi::ring::{Completion, Submission, flag, op};
use capos_abi::status;
use core::cell::Cell;

/// The end of a WAIT that nobody needs.
const NEVER: u64 = u64::MAX;

/// A thread's WAIT for the earliest of these deadlines.
pub struct Alarm {
    /// The earliest deadline, [`NEVER`] if there is no WAIT. The one in the ring may end later: it is being cancelled then.
    at: Cell<u64>,
    tag: Cell<u16>,
}

impl Alarm {
    /// No WAIT.
    pub const fn off() -> Self {
        Self { at: Cell::new(NEVER), tag: Cell::new(0) }
    }

    /// A call with this deadline (0 = none) begins to wait in the runtime.
    #[inline]
    pub fn watch(&self, deadline: u64) {
        if deadline != 0 && deadline < self.at.get() {
            self.set(deadline);
        }
    }

    #[cold]
    fn set(&self, deadline: u64) {
        match self.at.replace(deadline) {
            NEVER => self.wait_until(deadline),
            // Its end starts the next one.
            _ => self.cancel(),
        }
    }

    /// The completion is not reserved: like that of a blocking operation it has a place that no other asynchronous one takes.
    fn wait_until(&self, deadline: u64) {
        ring::with(|ring| {
            let tag = ring.take_tag().expect("there are more tags than completions");
            self.tag.set(tag);
            ring.push(Submission { op: op::WAIT, tag, user_data: class::ALARM, deadline, ..Submission::default() });
        });
    }

    fn cancel(&self) {
        let entry =
            Submission { op: op::CANCEL, flags: flag::QUIET, arg: self.tag.get().into(), ..Submission::default() };
        ring::with(|ring| crate::raw::push_quiet(ring, entry));
    }

    /// The completion of the WAIT.
    #[cold]
    pub fn finish(&self, completion: &Completion) {
        ring::with(|ring| ring.give_tag(completion.tag));
        let passed = self.at.replace(NEVER);
        match completion.status {
            status::DEADLINE => expire(passed),
            status::CANCELLED => {}
            // There is no room for a timer: the deadlines are looked at when the calls leave.
            _ => return,
        }
        if let Some(next) = RUNTIME.calls.all().into_iter().filter_map(waits_until).min() {
            self.watch(next);
        }
    }
}

/// The deadline of a call, if it has one and waits in the runtime.
fn waits_until(call: &Call) -> Option<u64> {
    let waits = matches!(call.state.get(), State::Backlog | State::Promised);
    (waits && call.deadline.get() != 0).then(|| call.deadline.get())
}

/// Ends the calls that wait in the runtime and whose deadlines have passed.
fn expire(passed: u64) {
    for call in RUNTIME.calls.all() {
        if waits_until(call).is_some_and(|deadline| deadline <= passed) && take_back(call) {
            fail(call, errors::from_status(status::DEADLINE));
        }
    }
}
