//! The kernel's objects, one file each: methods decode their parameters, then act.
mod clock;
mod endpoint;
mod entropy;
mod fault_handler;
mod handle_manager;
mod interrupt;
mod io_ports;
mod kernel_log;
mod ledger;
mod memory_object;
mod memory_write;
mod notification;
pub(crate) mod null;
mod process;
mod scheduling;
mod session;
mod system_control;
mod thread;
mod virtual_memory;

pub use interrupt::InterruptTable;
pub use scheduling::SchedulingContext;

use crate::Kernel;
use crate::authority::capability::{Capability, Object};
use crate::authority::handle::SlotRef;
use crate::execution::process::Process;
use crate::execution::thread::Thread;
use crate::ipc::enter::Caller;
use crate::ipc::message::{MAX_PARAM_WORDS, Params, Reply, fixed_words};
use crate::ipc::operation::{Done, Refusal, Step};
use crate::ipc::sent::SentCaps;
use crate::ledger::{Ledger, Resource};
use crate::lifecycle::fault::RECORD_WORDS;
use crate::platform::{ArenaRange, Platform};
use crate::slab::Id;
use capos_abi::interface::virtual_memory::write;
use capos_abi::layout::{Pointer, Shape};
use capos_abi::ring::Submission;
use capos_abi::status;

/// Parameters this short are read into a small buffer, which costs less to clear.
const SHORT_PARAM_WORDS: usize = 8;

/// A call to a kernel object.
pub struct KernelCall<'a> {
    /// Who calls.
    pub caller: &'a Caller,
    /// Index of the slot in its table that was called.
    pub index: u32,
    /// Whether what is derived from it stays in the caller's session.
    pub confined: bool,
    /// The entry.
    pub entry: &'a Submission,
    /// Parameters.
    pub segment: ArenaRange,
    /// Where the result goes.
    pub result: ArenaRange,
}

impl KernelCall<'_> {
    /// The calling thread.
    pub fn thread(&self) -> Id<Thread> {
        self.caller.thread
    }

    /// The calling process.
    pub fn process(&self) -> Id<Process> {
        self.caller.process
    }

    /// The slot of the capability that was called.
    pub fn slot(&self) -> SlotRef {
        SlotRef { process: self.caller.process, index: self.index }
    }

    /// Checks that a result of this shape, with this many capabilities and bytes of Data or Text, fits where it goes.
    #[inline]
    fn check_room(&self, shape: Shape, caps: u8, blob_bytes: usize) -> Result<(), Refusal> {
        if caps > self.entry.caps >> 4 {
            return Err(status::NOT_ACCEPTED.into());
        }
        let bytes = usize::from(caps) * 8 + fixed_words(shape) * 8 + blob_bytes.next_multiple_of(8);
        if bytes > self.result.bytes as usize {
            return Err(Refusal::with(status::TOO_BIG, bytes as u64));
        }
        Ok(())
    }
}

/// Writes a result that has no fields. The room for it was checked.
#[inline]
fn answer_nothing(platform: &impl Platform, call: &KernelCall<'_>) -> Step {
    platform.write_arena_words(call.caller.area, call.result.offset, [0]);
    Step::Done(Done { bytes: 8, caps: 0, value: 0 })
}

/// Words as bytes, and how many bytes.
fn bytes_of(words: &[u64]) -> ([u8; RECORD_WORDS * 8], usize) {
    let mut bytes = [0; RECORD_WORDS * 8];
    for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    (bytes, words.len().min(RECORD_WORDS) * 8)
}

/// The words of a buffer that is at least as long as the segment.
fn prefix(buffer: &mut [u64], words: usize) -> &mut [u64] {
    buffer.get_mut(..words).unwrap_or_default()
}

impl<P: Platform> Kernel<P> {
    /// Runs a method of a kernel object. Parameters are read only where methods have some.
    #[inline(never)]
    pub(crate) fn call_kernel(&mut self, call: KernelCall<'_>, object: Object) -> Result<Step, Refusal> {
        match object {
            Object::Clock => self.clock(&call),
            Object::Memory(id) => self.memory_object(id, &call),
            Object::Thread(id) => self.thread(id, &call),
            Object::Session(id) | Object::SessionControl(id) => self.session(id, &call),
            Object::VirtualMemory(id) if call.entry.method == write::METHOD => self.write_from_message(id, &call),
            _ => self.call_with_params(&call, object),
        }
    }

    fn call_with_params(&mut self, call: &KernelCall<'_>, object: Object) -> Result<Step, Refusal> {
        let words = call.segment.bytes as usize / 8;
        if words <= SHORT_PARAM_WORDS {
            self.read_and_call(call, object, prefix(&mut [0; SHORT_PARAM_WORDS], words))
        } else if words <= MAX_PARAM_WORDS {
            self.read_and_call(call, object, prefix(&mut [0; MAX_PARAM_WORDS], words))
        } else {
            Err(status::BAD_MESSAGE.into())
        }
    }

    fn read_and_call(&mut self, call: &KernelCall<'_>, object: Object, words: &mut [u64]) -> Result<Step, Refusal> {
        self.platform.read_arena(call.caller.area, call.segment.offset, words);
        let params = &Params::new(words)?;
        match object {
            Object::Notification(id) => self.notification(id, call, params),
            Object::VirtualMemory(id) => self.virtual_memory(id, call, params),
            Object::Process(id) => self.process(id, call, params),
            Object::Scheduling(id) => self.scheduling_context(id, call, params),
            Object::SchedulingAuthority => self.scheduling_authority(call, params),
            Object::Faults(id) => self.fault_handler(id, call, params),
            Object::Handles(id) => self.handle_manager(id, call, params),
            Object::Ledger(id) => self.ledger(id, call, params),
            Object::Endpoint(id) => self.endpoint(id, call, params),
            Object::InterruptLines => self.interrupt_lines(call, params),
            Object::Interrupt(line) => self.interrupt_line(line, call, params),
            Object::IoPorts(first, count) => self.io_ports(first, count, call, params),
            Object::KernelLog => self.kernel_log(call, params),
            Object::Entropy => self.entropy(call, params),
            Object::System => self.system_control(call, params),
            Object::SessionAuthority => self.open_session(call, params),
            Object::Null
            | Object::Clock
            | Object::Memory(_)
            | Object::Thread(_)
            | Object::Session(_)
            | Object::SessionControl(_)
            | Object::Served(_) => Err(status::WRONG_INTERFACE.into()),
        }
    }

    /// The slot of a capability among the parameters; a null one is refused.
    fn sent_slot(
        &self,
        call: &KernelCall<'_>,
        params: &Params<'_>,
        field: Pointer,
    ) -> Result<(SlotRef, Capability), Refusal> {
        self.slot_among(&self.all_sent(call)?, call, params, field)
    }

    /// The capabilities that a call carries.
    fn all_sent(&self, call: &KernelCall<'_>) -> Result<SentCaps, Refusal> {
        let mut caps = SentCaps::NONE;
        self.list_sent(call.caller, call.segment, call.entry.caps & 15, &mut caps)?;
        Ok(caps)
    }

    /// As [`Self::sent_slot`], of those that a call carries.
    fn slot_among(
        &self,
        caps: &SentCaps,
        call: &KernelCall<'_>,
        params: &Params<'_>,
        field: Pointer,
    ) -> Result<(SlotRef, Capability), Refusal> {
        let index = params.capability(field)?.ok_or(status::BAD_ARGUMENT)?;
        let handle = *caps.as_slice().get(index).ok_or(status::BAD_MESSAGE)?;
        let handles = &self.processes[call.process()].handles;
        let slot = handles.index_of(handle).ok_or(status::BAD_ARGUMENT)?;
        let capability = *handles.get(handle).ok_or(status::BAD_ARGUMENT)?;
        Ok((SlotRef { process: call.process(), index: slot }, capability))
    }

    /// Writes a result without capabilities. The room for it was checked.
    fn answer(&mut self, call: &KernelCall<'_>, reply: &Reply) -> Result<Step, Refusal> {
        self.answer_with(call, reply, &[], &[])
    }

    /// Writes a result: handles, the fixed part, and the bytes of its Data or Text.
    fn answer_with(
        &mut self,
        call: &KernelCall<'_>,
        reply: &Reply,
        handles: &[u64],
        blob: &[u8],
    ) -> Result<Step, Refusal> {
        let area = call.caller.area;
        let mut at = call.result.offset;
        if !handles.is_empty() {
            self.platform.write_arena(area, at, handles);
            at += handles.len() as u32 * 8;
        }
        self.platform.write_arena(area, at, reply.words());
        at += reply.words().len() as u32 * 8;
        for chunk in blob.chunks(8) {
            let mut word = [0; 8];
            for (to, from) in word.iter_mut().zip(chunk) {
                *to = *from;
            }
            self.platform.write_arena(area, at, &[u64::from_le_bytes(word)]);
            at += 8;
        }
        Ok(Step::Done(Done { bytes: at - call.result.offset, caps: handles.len() as u8, value: 0 }))
    }

    /// Writes a result whose list of words follows the fixed part.
    fn answer_words(&mut self, call: &KernelCall<'_>, reply: &Reply, words: &[u64]) -> Result<Step, Refusal> {
        let (area, fixed) = (call.caller.area, reply.words());
        self.platform.write_arena(area, call.result.offset, fixed);
        self.platform.write_arena(area, call.result.offset + fixed.len() as u32 * 8, words);
        Ok(Step::Done(Done { bytes: (fixed.len() + words.len()) as u32 * 8, caps: 0, value: 0 }))
    }

    /// Answers with one capability, derived from the one that was called; its room is checked here.
    fn answer_derived(
        &mut self,
        call: &KernelCall<'_>,
        shape: Shape,
        field: Pointer,
        capability: Capability,
    ) -> Result<Step, Refusal> {
        call.check_room(shape, 1, 0)?;
        self.reserve_handles(call.process(), 1)?;
        let capability = Capability { confined: call.confined, ..capability };
        let slot = self.insert_derived(call.slot(), call.process(), capability);
        self.answer_slot(call, shape, field, slot)
    }

    /// Answers with one capability to a new object, whose room was checked and whose handle is reserved.
    fn answer_new(
        &mut self,
        call: &KernelCall<'_>,
        shape: Shape,
        field: Pointer,
        capability: Capability,
    ) -> Result<Step, Refusal> {
        let slot = self.insert_root(call.process(), capability);
        self.answer_slot(call, shape, field, slot)
    }

    /// Answers with the one capability in a slot of the caller's process.
    fn answer_slot(
        &mut self,
        call: &KernelCall<'_>,
        shape: Shape,
        field: Pointer,
        slot: SlotRef,
    ) -> Result<Step, Refusal> {
        let mut reply = Reply::new(shape);
        reply.set_capability(field, 0);
        self.answer_with(call, &reply, &[self.handle_of(slot)], &[])
    }

    /// Charges one new object and its handle.
    fn charge_object(&mut self, ledger: Id<Ledger>, holder: Id<Process>) -> Result<(), Refusal> {
        self.ledgers[ledger].charge(Resource::Objects, 1)?;
        if let Err(refusal) = self.reserve_handles(holder, 1) {
            self.ledgers[ledger].refund(Resource::Objects, 1);
            return Err(refusal);
        }
        self.ledgers[ledger].references += 1;
        Ok(())
    }

    /// Takes back what [`Self::charge_object`] charged.
    fn uncharge_object(&mut self, ledger: Id<Ledger>, holder: Id<Process>) {
        self.unreserve_handles(holder, 1);
        self.ledgers[ledger].refund(Resource::Objects, 1);
        self.ledgers[ledger].references -= 1;
    }
}
