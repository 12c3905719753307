//! `MemoryReader` and `MemoryObject`: memory to map.
use super::KernelCall;
use crate::Kernel;
use crate::authority::capability::{Capability, Object};
use crate::ipc::message::Reply;
use crate::ipc::operation::{Refusal, Step};
use crate::memory::MemoryObject;
use crate::platform::Platform;
use crate::slab::Id;
use capos_abi::interface::{memory_object, memory_reader};
use capos_abi::status;

impl<P: Platform> Kernel<P> {
    pub(super) fn memory_object(&mut self, id: Id<MemoryObject>, call: &KernelCall<'_>) -> Result<Step, Refusal> {
        if self.memory_has_ended(id) {
            return Err(status::STALE.into());
        }
        match (call.entry.interface, call.entry.method) {
            (memory_reader::ID, memory_reader::size::METHOD) => {
                use memory_reader::size::results;
                call.check_room(results::SHAPE, 0, 0)?;
                let mut reply = Reply::new(results::SHAPE);
                reply.set(results::BYTES, self.memory[id].bytes);
                self.answer(call, &reply)
            }
            (memory_object::ID, memory_object::reader::METHOD) => {
                use memory_object::reader::results;
                self.answer_derived(
                    call,
                    results::SHAPE,
                    results::READER,
                    Capability::new(Object::Memory(id), memory_reader::ID),
                )
            }
            (memory_object::ID, memory_object::seal::METHOD) => {
                use memory_object::seal::results;
                call.check_room(results::SHAPE, 0, 0)?;
                if self.memory[id].writers > 0 {
                    return Err(status::BAD_STATE.into());
                }
                self.memory[id].sealed = true;
                self.answer(call, &Reply::new(results::SHAPE))
            }
            _ => Err(status::UNIMPLEMENTED.into()),
        }
    }
}
