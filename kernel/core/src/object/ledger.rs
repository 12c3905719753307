//! `Ledger`: makes the objects that it pays for.
use super::KernelCall;
use crate::Kernel;
use crate::authority::capability::{Capability, Object};
use crate::execution::process::NAME_BYTES;
use crate::execution::stay::cost;
use crate::execution::thread::State;
use crate::ipc::endpoint::{self, Endpoint};
use crate::ipc::message::{Params, Reply};
use crate::ipc::notification::{Bits, Notification};
use crate::ipc::operation::{Refusal, Step};
use crate::ledger::{Amounts, Ledger, Resource};
use crate::memory::frame::FRAME_BYTES;
use crate::memory::page_list::PageList;
use crate::memory::{Backing, MAX_OBJECT_BYTES, MemoryObject};
use crate::platform::{Platform, Registers};
use crate::slab::Id;
use capos_abi::interface::ledger::{
    create_endpoint, create_ledger, create_memory_object, create_notification, create_process, create_thread, inspect,
    progress, reclaim,
};
use capos_abi::interface::{self, endpoint as endpoint_interface};
use capos_abi::ring::{MAX_AREA_BYTES, MIN_AREA_BYTES};
use capos_abi::status;

impl<P: Platform> Kernel<P> {
    pub(super) fn ledger(
        &mut self,
        id: Id<Ledger>,
        call: &KernelCall<'_>,
        params: &Params<'_>,
    ) -> Result<Step, Refusal> {
        self.stay.spend(cost::METHOD);
        match call.entry.method {
            create_ledger::METHOD => self.create_ledger(id, call, params),
            create_process::METHOD => self.create_process(id, call, params),
            create_thread::METHOD => self.create_thread(id, call, params),
            create_endpoint::METHOD => self.create_endpoint(id, call, params),
            create_memory_object::METHOD => self.create_memory_object(id, call, params),
            create_notification::METHOD => self.create_notification(id, call),
            inspect::METHOD => self.inspect_ledger(id, call),
            reclaim::METHOD => self.reclaim_ledger_step(id, call),
            _ => Err(status::UNIMPLEMENTED.into()),
        }
    }

    fn create_ledger(&mut self, id: Id<Ledger>, call: &KernelCall<'_>, params: &Params<'_>) -> Result<Step, Refusal> {
        use create_ledger::{params as p, results};
        call.check_room(results::SHAPE, 1, 0)?;
        if !self.ledgers[id].can_have_children() {
            return Err(status::BAD_STATE.into());
        }
        let limits = Amounts::new([
            params.get(p::FRAMES),
            params.get(p::HANDLES),
            params.get(p::OBJECTS),
            params.get(p::THREADS),
        ]);
        self.charge_object(id, call.process())?;
        let made = Ledger::child(&mut self.ledgers, id, limits);
        let child = made.inspect_err(|_| self.uncharge_object(id, call.process()))?;
        // The child's own reference to its parent takes the place of the object's.
        self.ledgers[id].references -= 1;
        let capability = Capability::new(Object::Ledger(child), interface::ledger::ID);
        self.answer_new(call, results::SHAPE, results::LEDGER, capability)
    }

    fn create_process(&mut self, id: Id<Ledger>, call: &KernelCall<'_>, params: &Params<'_>) -> Result<Step, Refusal> {
        use create_process::{params as p, results};
        let mut name = [0; NAME_BYTES + 1];
        let name = params.text(p::NAME, &mut name)?;
        call.check_room(results::SHAPE, 3, 0)?;
        self.reserve_handles(call.process(), 2)?;
        let session = self.processes[call.process()].session;
        let made = self.charge_object(id, call.process()).and_then(|()| {
            self.new_process(id, session, name).inspect_err(|_| self.uncharge_object(id, call.process()))
        });
        let process = made.inspect_err(|_| self.unreserve_handles(call.process(), 2))?;
        let capabilities = [
            Capability::new(Object::Process(process), interface::process::ID),
            Capability::new(Object::VirtualMemory(process), interface::virtual_memory::ID),
            Capability::new(Object::Handles(process), interface::handle_manager::ID),
        ];
        let handles = capabilities.map(|capability| {
            let slot = self.insert_root(call.process(), capability);
            self.handle_of(slot)
        });
        let mut reply = Reply::new(results::SHAPE);
        reply.set_capability(results::PROCESS, 0);
        reply.set_capability(results::MEMORY, 1);
        reply.set_capability(results::HANDLES, 2);
        self.answer_with(call, &reply, &handles, &[])
    }

    fn create_thread(&mut self, id: Id<Ledger>, call: &KernelCall<'_>, params: &Params<'_>) -> Result<Step, Refusal> {
        use create_thread::{params as p, results};
        let (_, target) = self.sent_slot(call, params, p::PROCESS)?;
        let (Object::Process(process), true) = (target.object, target.offers(interface::process::ID)) else {
            return Err(status::BAD_ARGUMENT.into());
        };
        let ring_bytes = params.get(p::RING_BYTES) as u32;
        if !ring_bytes.is_power_of_two() || !(MIN_AREA_BYTES..=MAX_AREA_BYTES).contains(&ring_bytes) {
            return Err(status::BAD_ARGUMENT.into());
        }
        let registers = Registers {
            entry: params.get(p::ENTRY),
            stack_pointer: params.get(p::STACK_POINTER),
            thread_pointer: params.get(p::THREAD_POINTER),
            argument: params.get(p::ARGUMENT),
            ring_address: 0,
        };
        if [registers.entry, registers.stack_pointer, registers.thread_pointer]
            .iter()
            .any(|a| *a > crate::memory::range::LAST_ADDRESS)
        {
            return Err(status::BAD_ARGUMENT.into());
        }
        call.check_room(results::SHAPE, 1, 0)?;
        if !self.gather_ring_frames(call.thread(), ring_bytes) {
            return Ok(Step::Again);
        }
        self.reserve_handles(call.process(), 1)?;
        let made = self.new_thread(id, process, registers, ring_bytes);
        let thread = made.inspect_err(|_| self.unreserve_handles(call.process(), 1))?;
        let slot = self.insert_root(call.process(), Capability::new(Object::Thread(thread), interface::thread::ID));
        let mut reply = Reply::new(results::SHAPE);
        reply.set_capability(results::THREAD, 0);
        reply.set(results::RING_ADDRESS, self.threads[thread].ring_address);
        self.answer_with(call, &reply, &[self.handle_of(slot)], &[])
    }

    fn create_endpoint(&mut self, id: Id<Ledger>, call: &KernelCall<'_>, params: &Params<'_>) -> Result<Step, Refusal> {
        use create_endpoint::{params as p, results};
        let max_message_bytes = params.get(p::MAX_MESSAGE_BYTES) as u32;
        if max_message_bytes > endpoint::MAX_MESSAGE_BYTES {
            return Err(status::BAD_ARGUMENT.into());
        }
        call.check_room(results::SHAPE, 1, 0)?;
        self.prepare_chore()?;
        self.charge_object(id, call.process())?;
        let scope = self.sessions.new_scope();
        let made = Endpoint::new(id, scope, max_message_bytes, params.get(p::MAX_LARGE_BYTES));
        match self.endpoints.insert(made) {
            Ok(made) => {
                let capability = Capability::new(Object::Endpoint(made), endpoint_interface::ID);
                self.answer_new(call, results::SHAPE, results::ENDPOINT, capability)
            }
            Err(heap) => {
                self.uncharge_object(id, call.process());
                Err(heap.into())
            }
        }
    }

    fn create_memory_object(
        &mut self,
        id: Id<Ledger>,
        call: &KernelCall<'_>,
        params: &Params<'_>,
    ) -> Result<Step, Refusal> {
        use create_memory_object::{params as p, results};
        let bytes = params.get(p::BYTES);
        if bytes == 0 || bytes > MAX_OBJECT_BYTES {
            return Err(status::BAD_ARGUMENT.into());
        }
        call.check_room(results::SHAPE, 1, 0)?;
        self.prepare_chore()?;
        self.charge_object(id, call.process())?;
        let made = self.new_memory(id, bytes).inspect_err(|_| self.uncharge_object(id, call.process()))?;
        let capability = Capability::new(Object::Memory(made), interface::memory_object::ID);
        self.answer_new(call, results::SHAPE, results::MEMORY, capability)
    }

    /// A memory object that was charged, with its frames.
    fn new_memory(&mut self, id: Id<Ledger>, bytes: u64) -> Result<Id<MemoryObject>, Refusal> {
        let pages = bytes.div_ceil(FRAME_BYTES);
        self.memory.prepare()?;
        self.charge_frames(id, pages)?;
        let list = PageList::new(pages as usize, &mut self.ledgers[id]);
        let list = list.inspect_err(|_| self.refund_frames(id, pages))?;
        Ok(self.memory.insert(MemoryObject::new(Some(id), bytes, Backing::Anonymous(list)))?)
    }

    /// Charges memory to a ledger and reserves it on the machine.
    pub(crate) fn charge_frames(&mut self, ledger: Id<Ledger>, pages: u64) -> Result<(), Refusal> {
        self.ledgers[ledger].charge(Resource::Frames, pages)?;
        self.frames.reserve(pages).inspect_err(|_| self.ledgers[ledger].refund(Resource::Frames, pages))?;
        Ok(())
    }

    /// Takes back what [`Self::charge_frames`] did, for pages that were never touched.
    pub(crate) fn refund_frames(&mut self, ledger: Id<Ledger>, pages: u64) {
        self.frames.unreserve(pages);
        self.ledgers[ledger].refund(Resource::Frames, pages);
    }

    fn create_notification(&mut self, id: Id<Ledger>, call: &KernelCall<'_>) -> Result<Step, Refusal> {
        use create_notification::results;
        call.check_room(results::SHAPE, 1, 0)?;
        self.prepare_chore()?;
        self.charge_object(id, call.process())?;
        match self.notifications.insert(Notification { references: 0, ledger: Some(id), bits: Bits::default() }) {
            Ok(made) => {
                let capability = Capability::new(Object::Notification(made), interface::notification::ID);
                self.answer_new(call, results::SHAPE, results::NOTIFICATION, capability)
            }
            Err(heap) => {
                self.uncharge_object(id, call.process());
                Err(heap.into())
            }
        }
    }

    fn inspect_ledger(&mut self, id: Id<Ledger>, call: &KernelCall<'_>) -> Result<Step, Refusal> {
        use inspect::results::*;
        call.check_room(SHAPE, 0, 0)?;
        let ledger = &self.ledgers[id];
        let (used, limits) = (*ledger.used(), *ledger.limits());
        let mut reply = Reply::new(SHAPE);
        reply.set(NUMBER, ledger.number().into());
        for (resource, used_field, limit_field) in [
            (Resource::Frames, FRAMES_USED, FRAMES_LIMIT),
            (Resource::Handles, HANDLES_USED, HANDLES_LIMIT),
            (Resource::Objects, OBJECTS_USED, OBJECTS_LIMIT),
            (Resource::Threads, THREADS_USED, THREADS_LIMIT),
            (Resource::KernelMemory, KERNEL_BYTES_USED, KERNEL_BYTES_LIMIT),
        ] {
            reply.set(used_field, used.of(resource));
            reply.set(limit_field, limits.of(resource));
        }
        self.answer(call, &reply)
    }

    fn reclaim_ledger_step(&mut self, id: Id<Ledger>, call: &KernelCall<'_>) -> Result<Step, Refusal> {
        use reclaim::results;
        call.check_room(results::SHAPE, 0, 0)?;
        let done = self.reclaim_step(id);
        if self.threads.get(call.thread()).is_none_or(|caller| caller.state == State::Ended) {
            // Who reclaims the ledger that it lives on gets no answer.
            return Ok(Step::Pending);
        }
        let mut reply = Reply::new(results::SHAPE);
        reply.set(results::PROGRESS, u64::from(if done { progress::DONE } else { progress::MORE }));
        self.answer(call, &reply)
    }
}
