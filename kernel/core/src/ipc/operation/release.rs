//! RELEASE: gives a handle up.
use super::{Done, Refusal, Step};
use crate::Kernel;
use crate::authority::grant;
use crate::authority::handle::SlotRef;
use crate::execution::stay::cost;
use crate::execution::thread::Thread;
use crate::platform::Platform;
use crate::slab::Id;
use capos_abi::ring::{Submission, flag};
use capos_abi::status;

impl<P: Platform> Kernel<P> {
    #[inline(never)]
    pub(super) fn release_handle(&mut self, thread: Id<Thread>, entry: &Submission) -> Result<Step, Refusal> {
        Self::check_flags(entry, flag::QUIET | flag::IF_UNREFERENCED)?;
        let process = self.threads[thread].process;
        let index = self.processes[process].handles.index_of(entry.handle).ok_or(status::STALE)?;
        let slot = SlotRef { process, index };
        if entry.flags & flag::IF_UNREFERENCED != 0 && grant::first_child(&mut self.processes, slot).is_some() {
            return Err(status::BAD_STATE.into());
        }
        self.stay.spend(cost::SLOT);
        self.release_slot(slot);
        Ok(Step::Done(Done::default()))
    }
}
