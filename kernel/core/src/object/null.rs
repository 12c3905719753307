//! `Null`: an object that does nothing.
use super::KernelCall;
use crate::Kernel;
use crate::ipc::operation::{Refusal, Step};
use crate::platform::Platform;
use capos_abi::interface::null;
use capos_abi::status;

impl<P: Platform> Kernel<P> {
    #[inline]
    pub(crate) fn null(&mut self, call: &KernelCall<'_>) -> Result<Step, Refusal> {
        if call.entry.method != null::call::METHOD {
            return Err(status::UNIMPLEMENTED.into());
        }
        call.check_room(null::call::results::SHAPE, 0, 0)?;
        self.answer_nothing(call)
    }
}
