//! `Clock`: monotonic time.
use super::KernelCall;
use crate::Kernel;
use crate::message::Reply;
use crate::operation::{Refusal, Step};
use crate::platform::Platform;
use capos_abi::interface::clock::now;
use capos_abi::status;

impl<P: Platform> Kernel<P> {
    pub(super) fn clock(&mut self, call: &KernelCall<'_>) -> Result<Step, Refusal> {
        if call.entry.method != now::METHOD {
            return Err(status::UNIMPLEMENTED.into());
        }
        call.check_room(now::results::SHAPE, 0, 0)?;
        let mut reply = Reply::new(now::results::SHAPE);
        reply.set(now::results::NANOSECONDS, self.platform.now());
        self.answer(call, &reply)
    }
}
