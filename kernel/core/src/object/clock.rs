//! `Clock`: monotonic time, and the date.
use super::KernelCall;
use crate::Kernel;
use crate::ipc::message::Reply;
use crate::ipc::operation::{Refusal, Step};
use crate::platform::Platform;
use capos_abi::interface::clock::{date, now};
use capos_abi::status;

const NANOSECONDS_PER_SECOND: u64 = 1_000_000_000;

impl<P: Platform> Kernel<P> {
    pub(super) fn clock(&mut self, call: &KernelCall<'_>) -> Result<Step, Refusal> {
        match call.entry.method {
            now::METHOD => {
                call.check_room(now::results::SHAPE, 0, 0)?;
                let mut reply = Reply::new(now::results::SHAPE);
                reply.set(now::results::NANOSECONDS, self.platform.now());
                self.answer(call, &reply)
            }
            date::METHOD => {
                call.check_room(date::results::SHAPE, 0, 0)?;
                let start = self.platform.date_at_start().ok_or(status::UNAVAILABLE)?;
                let mut reply = Reply::new(date::results::SHAPE);
                let nanoseconds = start.saturating_mul(NANOSECONDS_PER_SECOND).saturating_add(self.platform.now());
                reply.set(date::results::NANOSECONDS, nanoseconds);
                self.answer(call, &reply)
            }
            _ => Err(status::UNIMPLEMENTED.into()),
        }
    }
}
