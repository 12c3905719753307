//! `Null`: an object that does nothing.
use super::{KernelCall, answer_nothing};
use crate::ipc::operation::{Refusal, Step};
use crate::platform::Platform;
use capos_abi::interface::null;
use capos_abi::status;

/// Runs a method of `Null`.
#[inline(always)]
pub fn answer(platform: &impl Platform, call: &KernelCall<'_>) -> Result<Step, Refusal> {
    if call.entry.method != null::call::METHOD {
        return Err(status::UNIMPLEMENTED.into());
    }
    call.check_room(null::call::results::SHAPE, 0, 0)?;
    Ok(answer_nothing(platform, call))
}
