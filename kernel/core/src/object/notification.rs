//! `Notification`: sticky bits, as an object.
use super::KernelCall;
use crate::Kernel;
use crate::ipc::message::{Params, Reply};
use crate::ipc::notification::Notification;
use crate::ipc::operation::{Refusal, Step};
use crate::platform::Platform;
use crate::slab::Id;
use capos_abi::interface::notification::signal;
use capos_abi::status;

impl<P: Platform> Kernel<P> {
    pub(super) fn notification(
        &mut self,
        id: Id<Notification>,
        call: &KernelCall<'_>,
        params: &Params<'_>,
    ) -> Result<Step, Refusal> {
        if call.entry.method != signal::METHOD {
            return Err(status::UNIMPLEMENTED.into());
        }
        if self.notifications[id].ledger.is_none() {
            return Err(status::STALE.into());
        }
        call.check_room(signal::results::SHAPE, 0, 0)?;
        self.notify(id, params.get(signal::params::BITS));
        self.answer(call, &Reply::new(signal::results::SHAPE))
    }
}
