//! The kernel objects that the runtime itself calls, without heap: memory, threads, time, entropy, log, exit.
use crate::raw::{self, Failure, Message, call};
use crate::startup::{ledger, memory, process};
use capos_abi::handle::Handle;
use capos_abi::interface::{
    clock, entropy, ledger as ledger_abi, log_sink, process as process_abi, system_status, thread, virtual_memory,
};
use capos_abi::ring::DEFAULT_AREA_BYTES;

/// Bytes that [`fill_random`] gets by one call.
pub const RANDOM_BYTES: usize = 512;

/// Reserves addresses in the own address space.
pub fn reserve(bytes: u64) -> Result<u64, Failure> {
    use virtual_memory::{ID, reserve::*};
    let message = Message::new(params::SHAPE).set(params::BYTES, bytes);
    call(memory(), ID, METHOD, &message, 0).map(|reply| reply.get(results::ADDRESS))
}

/// Backs reserved addresses with zeroed, writable memory.
pub fn commit(address: u64, bytes: u64) -> Result<(), Failure> {
    use virtual_memory::{ID, access::READ_WRITE, commit::*};
    let message = Message::new(params::SHAPE)
        .set(params::ADDRESS, address)
        .set(params::BYTES, bytes)
        .set(params::ACCESS, READ_WRITE.into());
    call(memory(), ID, METHOD, &message, 0).map(drop)
}

/// Gives committed memory back; its addresses stay reserved.
pub fn decommit(address: u64, bytes: u64) -> Result<(), Failure> {
    use virtual_memory::{ID, decommit::*};
    let message = Message::new(params::SHAPE).set(params::ADDRESS, address).set(params::BYTES, bytes);
    call(memory(), ID, METHOD, &message, 0).map(drop)
}

/// Frees a whole range made by [`reserve`].
pub fn unmap(address: u64, bytes: u64) -> Result<(), Failure> {
    use virtual_memory::{ID, unmap::*};
    call(memory(), ID, METHOD, &unmap_message(address, bytes), 0).map(drop)
}

/// Queues [`unmap`] for the next entry of the kernel, whose success nobody will see: the caller stands on that memory.
pub fn post_unmap(address: u64, bytes: u64) {
    use virtual_memory::{ID, unmap::*};
    raw::post(memory(), ID, METHOD, &unmap_message(address, bytes));
}

fn unmap_message(address: u64, bytes: u64) -> Message<'static> {
    use virtual_memory::unmap::*;
    Message::new(params::SHAPE).set(params::ADDRESS, address).set(params::BYTES, bytes)
}

/// Where a new thread starts, and with what.
pub struct Start {
    /// Address of its first instruction.
    pub entry: u64,
    /// Its stack pointer.
    pub stack_pointer: u64,
    /// Its thread pointer, the base of fs.
    pub thread_pointer: u64,
    /// The argument of its entry.
    pub argument: u64,
}

/// Starts a thread of this process; the handle is that of its `Thread`.
pub fn create_thread(start: &Start) -> Result<Handle, Failure> {
    use ledger_abi::{ID, create_thread::*};
    let message = Message::new(params::SHAPE)
        .set_capability(params::PROCESS, process())
        .set(params::ENTRY, start.entry)
        .set(params::STACK_POINTER, start.stack_pointer)
        .set(params::THREAD_POINTER, start.thread_pointer)
        .set(params::ARGUMENT, start.argument)
        .set(params::RING_BYTES, DEFAULT_AREA_BYTES.into());
    call(ledger(), ID, METHOD, &message, 1).map(|reply| reply.capability(results::THREAD))
}

/// Waits until a thread has ended.
pub fn join_thread(handle: Handle) -> Result<(), Failure> {
    use thread::{ID, join::*};
    call(handle, ID, METHOD, &Message::new(params::SHAPE), 0).map(drop)
}

/// Ends this process with an exit code. Returns only if the process has no capability of itself.
pub fn exit_process(code: i32) {
    use process_abi::{ID, exit::*};
    let message = Message::new(params::SHAPE).set(params::CODE, u64::from(code as u32));
    let _ = call(process(), ID, METHOD, &message, 0);
}

/// The number by which people tell this process from others.
pub fn process_id() -> Result<u64, Failure> {
    use process_abi::{ID, inspect::*};
    call(process(), ID, METHOD, &Message::new(params::SHAPE), 0).map(|reply| reply.get(results::ID))
}

/// Nanoseconds since the kernel started, by a `Clock`.
pub fn monotonic_nanoseconds(handle: Handle) -> Result<u64, Failure> {
    use clock::{ID, now::*};
    call(handle, ID, METHOD, &Message::new(params::SHAPE), 0).map(|reply| reply.get(results::NANOSECONDS))
}

/// Nanoseconds since the start of 1970, by a `Clock`.
pub fn date_nanoseconds(handle: Handle) -> Result<u64, Failure> {
    use clock::{ID, date::*};
    call(handle, ID, METHOD, &Message::new(params::SHAPE), 0).map(|reply| reply.get(results::NANOSECONDS))
}

/// Fills the start of `buffer` with at most [`RANDOM_BYTES`] from an `Entropy`; answers how many.
pub fn fill_random(handle: Handle, buffer: &mut [u8]) -> Result<usize, Failure> {
    use entropy::{ID, fill::*};
    let wanted = buffer.len().min(RANDOM_BYTES);
    let message = Message::new(params::SHAPE).set(params::BYTES, wanted as u64);
    let mut filled = 0;
    raw::call_for_bytes(handle, ID, METHOD, &message, results::DATA, |byte| {
        if let Some(place) = buffer[..wanted].get_mut(filled) {
            *place = byte;
            filled += 1;
        }
    })?;
    Ok(filled)
}

/// Appends one line to a `LogSink`.
pub fn log(handle: Handle, line: &str) -> Result<(), Failure> {
    use log_sink::{ID, write::*};
    call(handle, ID, METHOD, &Message::new(params::SHAPE).set_text(params::TEXT, line), 0).map(drop)
}

/// Processors that run, by a `SystemStatus`.
pub fn processors(handle: Handle) -> Result<u64, Failure> {
    use system_status::{ID, describe::*};
    call(handle, ID, METHOD, &Message::new(params::SHAPE), 0).map(|reply| reply.get(results::PROCESSORS))
}
