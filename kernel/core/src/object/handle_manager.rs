//! `HandleManager`: a process's control of what it has given away.
use super::KernelCall;
use crate::authority::handle::SlotRef;
use crate::execution::process::Process;
use crate::ipc::message::{Params, Reply};
use crate::ipc::operation::{Refusal, Step};
use crate::platform::Platform;
use crate::slab::Id;
use crate::{Kernel, authority::grant};
use capos_abi::interface::handle_manager::{derived, inspect, progress, revoke};
use capos_abi::status;

impl<P: Platform> Kernel<P> {
    pub(super) fn handle_manager(
        &mut self,
        id: Id<Process>,
        call: &KernelCall<'_>,
        params: &Params<'_>,
    ) -> Result<Step, Refusal> {
        match call.entry.method {
            revoke::METHOD => {
                use revoke::{params as p, results};
                call.check_room(results::SHAPE, 0, 0)?;
                let slot = self.managed_slot(id, params.get(p::HANDLE))?;
                let done = self.revoke_step(slot);
                let mut reply = Reply::new(results::SHAPE);
                reply.set(results::PROGRESS, u64::from(if done { progress::DONE } else { progress::MORE }));
                self.answer(call, &reply)
            }
            inspect::METHOD => {
                use inspect::{params as p, results};
                call.check_room(results::SHAPE, 0, 0)?;
                let slot = self.managed_slot(id, params.get(p::HANDLE))?;
                let held = self.processes[id].handles.slot(slot.index).and_then(|s| s.capability());
                let interface = held.ok_or(status::STALE)?.interface;
                let has_derived = grant::first_child(&mut self.processes, slot).is_some();
                let mut reply = Reply::new(results::SHAPE);
                reply.set(results::INTERFACE, interface);
                reply.set(results::DERIVED, u64::from(if has_derived { derived::SOMETHING } else { derived::NOTHING }));
                self.answer(call, &reply)
            }
            _ => Err(status::UNIMPLEMENTED.into()),
        }
    }

    fn managed_slot(&self, process: Id<Process>, handle: u64) -> Result<SlotRef, Refusal> {
        let index = self.processes[process].handles.any_index_of(handle).ok_or(status::STALE)?;
        Ok(SlotRef { process, index })
    }
}
