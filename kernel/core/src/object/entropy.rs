//! `Entropy`: random bytes.
use super::KernelCall;
use crate::Kernel;
use crate::ipc::message::{Params, Reply};
use crate::ipc::operation::{Refusal, Step};
use crate::platform::Platform;
use capos_abi::interface::entropy::fill;
use capos_abi::status;

/// Bytes of one answer at most.
const MAX_BYTES: usize = 1024;

impl<P: Platform> Kernel<P> {
    pub(super) fn entropy(&mut self, call: &KernelCall<'_>, params: &Params<'_>) -> Result<Step, Refusal> {
        if call.entry.method != fill::METHOD {
            return Err(status::UNIMPLEMENTED.into());
        }
        let count = params.get(fill::params::BYTES) as usize;
        let mut buffer = [0; MAX_BYTES];
        let bytes = buffer.get_mut(..count).ok_or(status::BAD_ARGUMENT)?;
        call.check_room(fill::results::SHAPE, 0, count)?;
        if !self.platform.entropy(bytes) {
            return Err(status::UNAVAILABLE.into());
        }
        let mut reply = Reply::new(fill::results::SHAPE);
        reply.set_blob(fill::results::DATA, count);
        self.answer_with(call, &reply, &[], bytes)
    }
}
