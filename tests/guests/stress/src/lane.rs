//! One call after the other of a caller, and what was sent along: nothing is lost, nothing is there twice, and nothing that was
//! derived from a revoked capability does anything.
//!
//! A lane has a notification of its own, the origin. What it sends is a copy of that, so that whatever becomes of it hangs below the
//! origin: "derived: nothing" says that it is gone, wherever it went.

use crate::protocol::method;
use crate::{capability, wire};
use capos_abi::handle::{Handle, NULL};
use capos_abi::message::mode;
use capos_abi::ring::{Completion, Submission, op};
use capos_abi::status::{self, Status};
use capos_rt::arena::Range;
use capos_rt::raw;
use capos_service::Failure;
use fastrand::Rng;

/// Bytes of a lane's range: the message, then the result.
const RANGE_BYTES: u32 = 256;
/// Where the result begins.
const RESULT_OFFSET: u32 = 128;
/// Nanoseconds of the longest deadline.
const LONGEST_DEADLINE: u64 = 3_000_000;
/// Nanoseconds after which what should be gone counts as lost.
const PATIENCE: u64 = 120_000_000_000;
/// The bit by which a lane tries whether its capability works.
const TRIED: u64 = 2;

/// See the head of this file.
pub struct Lane {
    origin: Handle,
    range: Range,
    /// What was sent, as this process knows it.
    sent: Handle,
    /// An object of the server's own, which the next call goes to.
    object: Handle,
    call: Option<Call>,
    /// Since when the origin waits for what was derived from it to be gone.
    draining: Option<u64>,
    revoked: bool,
}

/// A call under way.
struct Call {
    tag: u16,
    user_data: u64,
    method: u16,
    carries: Option<u64>,
    to_object: bool,
    has_deadline: bool,
    cancelled: bool,
}

impl Lane {
    /// A lane that does nothing yet.
    pub fn new() -> Result<Lane, Failure> {
        let origin =
            capability::create_notification().map_err(|failure| capability::refused("a notification", failure))?;
        let range = wire::take(RANGE_BYTES);
        Ok(Lane { origin, range, sent: NULL, object: NULL, call: None, draining: None, revoked: false })
    }

    /// Whether nothing is under way, and nothing that was sent is left anywhere.
    pub fn is_idle(&self) -> bool {
        self.call.is_none() && self.draining.is_none()
    }

    /// Whether a call is under way.
    pub fn is_calling(&self) -> bool {
        self.call.is_some()
    }

    /// Starts a random call, which ends with a completion of this `user_data`.
    pub fn start(&mut self, random: &mut Rng, durable: Handle, user_data: u64) -> Result<(), Failure> {
        let method = random.choice([method::ECHO, method::ECHO, method::KEEP, method::HOLD, method::OPEN]).unwrap_or(0);
        let carries = matches!(method, method::ECHO | method::KEEP) && random.bool();
        let carries = carries.then(|| random.choice([mode::COPY, mode::MOVE]).unwrap_or(mode::COPY));
        self.revoked = false;
        if let Some(mode) = carries {
            self.sent = capability::copy(self.origin).map_err(|failure| capability::refused("a copy", failure))?;
            wire::write(self.range, 0, &[self.sent, mode]);
            wire::write(self.range, 2, &wire::ONE_CAPABILITY);
        } else {
            wire::write(self.range, 0, &wire::EMPTY);
        }
        let has_deadline = method == method::HOLD || random.u8(0..4) == 0;
        let tag = wire::start(Submission {
            op: op::CALL,
            caps: 1 << 4 | u8::from(carries.is_some()),
            method,
            handle: if self.object == NULL { durable } else { self.object },
            interface: crate::protocol::INTERFACE,
            user_data,
            message_offset: wire::offset(self.range),
            message_bytes: if carries.is_some() { 32 } else { 8 },
            result_offset: wire::offset(self.range) + RESULT_OFFSET,
            result_bytes: RANGE_BYTES - RESULT_OFFSET,
            deadline: if has_deadline { wire::now() + random.u64(0..LONGEST_DEADLINE) } else { 0 },
            ..Submission::default()
        });
        let to_object = self.object != NULL;
        self.call = Some(Call { tag, user_data, method, carries, to_object, has_deadline, cancelled: false });
        Ok(())
    }

    /// Cancels the call, if it has not ended.
    pub fn cancel(&mut self) -> Result<(), Failure> {
        let Some(call) = self.call.as_mut() else { return Ok(()) };
        match wire::cancel(call.tag) {
            status::OK if call.cancelled => Err("a call was cancelled twice".into()),
            status::OK => {
                call.cancelled = true;
                Ok(())
            }
            status::TOO_LATE => Ok(()),
            other => Err(format!("cancelling ends with status {other}").into()),
        }
    }

    /// Takes back what the call carries, wherever it is. From then on it does nothing.
    pub fn revoke(&mut self) -> Result<(), Failure> {
        if self.call.as_ref().is_none_or(|call| call.carries.is_none()) {
            return Ok(());
        }
        capability::revoke(self.origin);
        self.revoked = true;
        // What was signalled before.
        wire::take_bits(self.origin);
        match capability::has_derived(self.origin) {
            Some(false) => Ok(()),
            _ => Err("something derived is left after its revocation".into()),
        }
    }

    /// The call has ended: how, after a look at what was sent.
    pub fn finish(&mut self, end: &Completion) -> Result<Status, Failure> {
        let call = self.call.take().filter(|call| call.user_data == end.user_data);
        let call = call.ok_or_else(|| format!("a call has ended twice: {end:?}"))?;
        let possible = match end.status {
            status::OK | status::SERVER_DIED => !call.cancelled,
            status::CANCELLED => call.cancelled,
            status::DEADLINE => call.has_deadline,
            status::BAD_CAPABILITY => self.revoked,
            status::STALE => call.to_object,
            _ => false,
        };
        if !possible {
            return Err(format!("a call of method {} ends with status {}", call.method, end.status).into());
        }
        if call.to_object {
            raw::release(std::mem::replace(&mut self.object, NULL));
        }
        self.receive(&call, end)?;
        if let Some(mode) = call.carries {
            self.look_after(mode, end.status)?;
            self.draining = Some(wire::now());
        }
        if end.status == status::OK && !self.drain()? && !self.revoked {
            return Err("what was sent and given back is still somewhere else".into());
        }
        Ok(end.status)
    }

    /// Takes what the answer brought.
    fn receive(&mut self, call: &Call, end: &Completion) -> Result<(), Failure> {
        let expected = match (call.method, call.carries) {
            (method::OPEN, _) | (method::ECHO, Some(_)) => 1,
            _ => 0,
        };
        if end.status != status::OK || (self.revoked && end.caps == 0) {
            return Ok(());
        }
        if end.caps != expected {
            return Err(format!("method {} answers with {} capabilities", call.method, end.caps).into());
        }
        if expected == 0 {
            return Ok(());
        }
        let received = wire::read(self.range, RESULT_OFFSET as usize / 8);
        if call.method == method::OPEN {
            self.object = received;
        } else if self.works(received) == self.revoked {
            return Err("what comes back works although it was revoked, or does not although it was not".into());
        } else {
            raw::release(received);
        }
        Ok(())
    }

    /// What was sent is here or not, as the end of the call says. What is here is given up.
    fn look_after(&mut self, sent_mode: u64, end: Status) -> Result<(), Failure> {
        let sent = std::mem::replace(&mut self.sent, NULL);
        let is_here = self.works(sent);
        let may_be = match end {
            _ if self.revoked => !is_here,
            _ if sent_mode == mode::COPY => is_here,
            // It was delivered, so it has moved.
            status::OK | status::SERVER_DIED => !is_here,
            // It was not.
            status::STALE => is_here,
            _ => true,
        };
        if !may_be {
            return Err(format!("sent with mode {sent_mode}, here afterwards: {is_here}, after status {end}").into());
        }
        raw::release(sent);
        Ok(())
    }

    /// Whether a capability derived from the origin does what it should.
    fn works(&self, handle: Handle) -> bool {
        let signal = Submission { op: op::SIGNAL, handle, arg: TRIED, ..Submission::default() };
        let accepted = wire::run(signal).status == status::OK;
        accepted && wire::take_bits(self.origin) & TRIED != 0
    }

    /// Looks whether everything derived from the origin is gone. An error if something that was revoked still signals, or if
    /// something never goes.
    pub fn drain(&mut self) -> Result<bool, Failure> {
        if self.revoked && wire::take_bits(self.origin) != 0 {
            return Err("a revoked capability has signalled".into());
        }
        let Some(since) = self.draining else { return Ok(true) };
        if capability::has_derived(self.origin) == Some(false) {
            self.draining = None;
            return Ok(true);
        }
        if wire::now() > since + PATIENCE {
            return Err("what was sent is never gone".into());
        }
        Ok(false)
    }
}
