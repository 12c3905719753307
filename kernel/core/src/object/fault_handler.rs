//! `FaultHandler`: answers the faults of a process.
use super::KernelCall;
use crate::Kernel;
use crate::execution::process::Process;
use crate::execution::stay::cost;
use crate::ipc::message::{Params, Reply};
use crate::ipc::operation::{Refusal, Step};
use crate::ipc::record::{MethodTarget, Waiter};
use crate::lifecycle::fault::RECORD_WORDS;
use crate::memory::range::LAST_ADDRESS;
use crate::platform::Platform;
use crate::slab::Id;
use capos_abi::interface::fault_handler::{fail, next, registers, resume};
use capos_abi::status;

impl<P: Platform> Kernel<P> {
    pub(super) fn fault_handler(
        &mut self,
        id: Id<Process>,
        call: &KernelCall<'_>,
        params: &Params<'_>,
    ) -> Result<Step, Refusal> {
        self.stay.spend(cost::METHOD);
        if !self.processes[id].is_alive() {
            return Err(status::STALE.into());
        }
        match call.entry.method {
            next::METHOD => self.next_fault(id, call),
            registers::METHOD => {
                use registers::{params as p, results};
                let (thread, _) = self.faulted_thread(id, params.get(p::THREAD)).ok_or(status::BAD_STATE)?;
                let mut buffer = [0; RECORD_WORDS];
                let words = self.thread_record(thread, &mut buffer);
                let (blob, bytes) = super::bytes_of(words);
                call.check_room(results::SHAPE, 0, bytes)?;
                let mut reply = Reply::new(results::SHAPE);
                reply.set_blob(results::WORDS, bytes);
                self.answer_with(call, &reply, &[], blob.get(..bytes).unwrap_or_default())
            }
            resume::METHOD => {
                use resume::{params as p, results};
                call.check_room(results::SHAPE, 0, 0)?;
                let (thread, _) = self.faulted_thread(id, params.get(p::THREAD)).ok_or(status::BAD_STATE)?;
                let instruction = params.get(p::INSTRUCTION);
                if instruction >= LAST_ADDRESS {
                    return Err(status::BAD_ARGUMENT.into());
                }
                if instruction != 0 {
                    self.platform.set_instruction(thread.index(), instruction);
                }
                self.resume_faulted(thread);
                self.answer(call, &Reply::new(results::SHAPE))
            }
            fail::METHOD => {
                use fail::{params as p, results};
                call.check_room(results::SHAPE, 0, 0)?;
                let (thread, fault) = self.faulted_thread(id, params.get(p::THREAD)).ok_or(status::BAD_STATE)?;
                let step = self.answer(call, &Reply::new(results::SHAPE));
                self.end_by_fault(thread, fault);
                step
            }
            _ => Err(status::UNIMPLEMENTED.into()),
        }
    }

    fn next_fault(&mut self, id: Id<Process>, call: &KernelCall<'_>) -> Result<Step, Refusal> {
        call.check_room(next::results::SHAPE, 0, 0)?;
        match self.report_fault(id) {
            Some(reply) => self.answer(call, &reply),
            None => self.start_method(call, MethodTarget::Faults(id)),
        }
    }

    /// Answers a `next` that has waited.
    pub(crate) fn answer_fault(&mut self, waiter: Waiter, id: Id<Process>) {
        if let Some(reply) = self.report_fault(id) {
            self.finish_method(waiter, &reply);
        }
    }

    /// Tells the handler of a fault that it does not know, if there is one.
    fn report_fault(&mut self, id: Id<Process>) -> Option<Reply> {
        use next::results;
        let (thread, fault) = self.processes[id].open_faults.tell(&mut self.threads)?;
        let mut reply = Reply::new(results::SHAPE);
        reply.set(results::THREAD, u64::from(thread.index()));
        reply.set(results::FAULT, u64::from(fault.kind as u16));
        reply.set(results::ADDRESS, fault.address);
        reply.set(results::INSTRUCTION, fault.instruction);
        Some(reply)
    }
}
