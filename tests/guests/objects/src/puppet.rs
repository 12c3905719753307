//! A process made by hand: a page of code, a page of data, one thread. It does what its few instructions say, and holds nothing.

use crate::verify::comes;
use capnp::Error;
use capnp::capability::FromClientHook;
use capos_abi::PAGE_BYTES;
use capos_abi::ring::MIN_AREA_BYTES;
use capos_service::mapping::{Mapping, Part, map};
use capos_service::{Failure, RingCall, slot};
use schema::ledger_capnp::ledger;
use schema::memory_object_capnp::memory_object;
use schema::process_capnp::process::{self, Outcome};
use schema::thread_capnp::thread;
use schema::virtual_memory_capnp::virtual_memory::{self, Access};

/// Where its code lies, and begins to run.
pub const CODE: u64 = 0x40_0000;
/// Where its data lies. The address is the argument of its thread (`rsi`).
pub const DATA: u64 = 0x50_0000;
/// Its first stack pointer; above it lie the words that were put there.
pub const STACK: u64 = DATA + 0x800;
/// Base of its `fs`.
pub const THREAD_POINTER: u64 = DATA + 0xc00;

/// The machine code of these instructions, as it lies in this very program.
macro_rules! code {
    ($($line:literal),+ $(,)?) => {{
        let (start, end): (*const u8, *const u8);
        // SAFETY: jumps over the instructions, of which only the place is asked for.
        unsafe {
            std::arch::asm!(
                "lea {start}, [rip + 20f]", "lea {end}, [rip + 30f]", "jmp 30f", "20:", $($line,)+ "30:",
                start = out(reg) start, end = out(reg) end, options(nomem, nostack)
            );
        }
        // SAFETY: both lie in the text of this program, in this order.
        unsafe { std::slice::from_raw_parts(start, end.offset_from_unsigned(start)) }
    }};
}
pub(crate) use code;

/// Counts in the first word of its data, for ever.
pub fn counting() -> &'static [u8] {
    code!("2:", "inc qword ptr [rsi]", "jmp 2b")
}

/// Ends its thread with the code 42.
pub fn exiting() -> &'static [u8] {
    code!("mov eax, 1", "mov edi, 42", "syscall")
}

/// See the head of this file. When this is dropped, it is ended, and nothing of it is left.
pub struct Puppet {
    /// Control of the process.
    pub process: process::Client,
    /// Its addresses.
    pub memory: virtual_memory::Client,
    /// Its thread.
    pub thread: thread::Client,
    /// Its data, mapped here, too.
    data: Mapping,
}

impl Puppet {
    /// A process that is filled but not started.
    pub fn new(code: &[u8]) -> Result<Puppet, Error> {
        let ledger: ledger::Client = slot("ledger")?;
        let mut request = ledger.create_process_request();
        request.get().set_name("puppet");
        let reply = request.call()?;
        let made = reply.get()?;
        let (process, memory) = (made.get_process()?, made.get_memory()?);
        let text = page(&ledger)?;
        filled(&text)?.bytes()[..code.len()].copy_from_slice(code);
        place(&memory, &text, CODE, Access::ReadExecute)?;
        let data = page(&ledger)?;
        place(&memory, &data, DATA, Access::ReadWrite)?;
        let mut request = ledger.create_thread_request();
        let mut parameters = request.get();
        parameters.set_process(process.clone());
        parameters.set_entry(CODE);
        parameters.set_stack_pointer(STACK);
        parameters.set_thread_pointer(THREAD_POINTER);
        parameters.set_argument(DATA);
        parameters.set_ring_bytes(MIN_AREA_BYTES);
        let thread = request.call()?.get()?.get_thread()?;
        Ok(Puppet { process, memory, thread, data: filled(&data)?.0 })
    }

    /// The same, started.
    pub fn started(code: &[u8]) -> Result<Puppet, Error> {
        let puppet = Puppet::new(code)?;
        puppet.process.start_request().call()?;
        Ok(puppet)
    }

    /// The word of its data at this address.
    pub fn word(&self, address: u64) -> u64 {
        let mut bytes = [0; 8];
        self.data.copy(address - DATA, &mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// Sets a word of its data. It must not have started.
    pub fn set_word(&mut self, address: u64, value: u64) {
        let at = (address - DATA) as usize;
        // SAFETY: mapped writable, and the process, which alone has it mapped, too, does not run.
        let bytes = unsafe { self.data.bytes_mut() };
        bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }

    /// Waits until [`counting`] has gone on from here.
    pub fn counts(&self, what: &str) -> Result<(), Failure> {
        let before = self.word(DATA);
        comes(what, || Ok(self.word(DATA) != before))
    }

    /// How it has ended, and with which code.
    pub fn outcome(&self) -> Result<(Outcome, i32), Failure> {
        let reply = self.process.wait_request().call()?;
        let end = reply.get()?;
        Ok((end.get_outcome()?, end.get_code()))
    }
}

impl Drop for Puppet {
    fn drop(&mut self) {
        // It can be killed in every state; the second answer comes when what it used has been given back.
        let _ = self.process.kill_request().call().and_then(|_| self.process.wait_request().call());
    }
}

/// A page that only this program has mapped.
struct Page(Mapping);

impl Page {
    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: mapped writable, and nobody else has it mapped yet.
        unsafe { self.0.bytes_mut() }
    }
}

fn page(ledger: &ledger::Client) -> Result<memory_object::Client, Error> {
    let mut request = ledger.create_memory_object_request();
    request.get().set_bytes(PAGE_BYTES);
    request.call()?.get()?.get_memory()
}

fn filled(object: &memory_object::Client) -> Result<Page, Error> {
    let own: virtual_memory::Client = slot("memory")?;
    Ok(Page(Mapping::new(&own, object.clone().cast_to(), PAGE_BYTES, Access::ReadWrite)?))
}

fn place(
    memory: &virtual_memory::Client,
    object: &memory_object::Client,
    address: u64,
    access: Access,
) -> Result<u64, Error> {
    map(memory, object.clone().cast_to(), Part { offset: 0, bytes: PAGE_BYTES, address, access })
}
