//! Starting a program: what a kernel elsewhere calls `exec`, done by the spawner with ordinary capabilities.
//!
//! [`plan`] reads the program file, [`Executable`] keeps it read, [`image`] fills what the new process writes, [`Spawn`] does it in this order: a
//! ledger and a process; the file mapped, shared by all instances; memory of its own; a stack behind a guard page; a
//! thread; the grants, and the startup block that names them. Then the process starts. It holds exactly what was granted
//! and, of its own, `process`, `ledger`, `memory`, `thread` and `handles`. All that is asked for here the kernel does at once, so
//! the calls block.
//!
//! ```ignore
//! let process = Spawn::new(&binary, "hello").argument("world").grant("log", log).start().await?;
//! ```

mod error;
mod executable;
pub mod image;
pub mod plan;
#[cfg(test)]
mod test;

pub use error::{SpawnError, Unfit};
pub use executable::Executable;

use crate::mapping::{Mapping, Part, map, zeroed};
use crate::{RingCall, slot};
use capnp::Error;
use capnp::capability::FromClientHook;
use capnp::private::capability::ClientHook;
use capnp::traits::HasTypeId;
use capos_abi::PAGE_BYTES;
use capos_abi::ring::DEFAULT_AREA_BYTES;
use capos_abi::startup::slot as own;
use image::{Layout, Startup};
use plan::Plan;
use schema::handle_manager_capnp::handle_manager;
use schema::ledger_capnp::ledger;
use schema::memory_object_capnp::{memory_object, memory_reader};
use schema::process_capnp::process;
use schema::session_capnp::session;
use schema::thread_capnp::thread;
use schema::virtual_memory_capnp::virtual_memory::{self, Access};
use std::rc::Rc;

/// Bytes of a main thread's stack unless something else was asked for.
const STACK_BYTES: u64 = 256 << 10;

/// What a process may use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Page frames.
    pub frames: u64,
    /// Slots in handle tables.
    pub handles: u64,
    /// Kernel objects.
    pub objects: u64,
    /// Threads.
    pub threads: u64,
}

impl Default for Quota {
    fn default() -> Quota {
        Quota { frames: 512, handles: 128, objects: 64, threads: 2 }
    }
}

/// Who pays.
enum Payer {
    /// The own ledger gives a part to a new one.
    Part(Quota),
    /// This ledger, which the process may use up.
    Ledger(ledger::Client),
}

/// A capability for the new process.
struct Grant {
    slot: String,
    interface: u64,
    capability: Box<dyn ClientHook>,
}

/// The program of a new process.
enum Program {
    File(memory_reader::Client),
    Executable(Rc<Executable>),
}

/// A program about to be started.
pub struct Spawn {
    program: Program,
    name: String,
    arguments: Vec<String>,
    grants: Vec<Grant>,
    payer: Payer,
    session: Option<session::Client>,
    stack_bytes: u64,
    ring_bytes: u32,
}

impl Spawn {
    /// The program in the file `binary`, as a process called `name`, which is its first argument, too.
    pub fn new(binary: &memory_reader::Client, name: &str) -> Spawn {
        Spawn::with(Program::File(binary.clone()), name)
    }

    /// The same for a program that was read before.
    pub fn of(executable: &Rc<Executable>, name: &str) -> Spawn {
        Spawn::with(Program::Executable(executable.clone()), name)
    }

    fn with(program: Program, name: &str) -> Spawn {
        Spawn {
            program,
            name: name.into(),
            arguments: vec![name.into()],
            grants: Vec::new(),
            payer: Payer::Part(Quota::default()),
            session: None,
            stack_bytes: STACK_BYTES,
            ring_bytes: DEFAULT_AREA_BYTES,
        }
    }

    /// Adds an argument.
    pub fn argument(mut self, argument: &str) -> Spawn {
        self.arguments.push(argument.into());
        self
    }

    /// Puts a copy of a capability into the slot.
    pub fn grant<C: FromClientHook + HasTypeId>(self, slot: &str, capability: C) -> Spawn {
        self.grant_as(slot, C::TYPE_ID, capability.into_client_hook())
    }

    /// Puts a copy of a capability whose type is not known here into the slot.
    pub fn grant_as(mut self, slot: &str, interface: u64, capability: Box<dyn ClientHook>) -> Spawn {
        self.grants.push(Grant { slot: slot.into(), interface, capability });
        self
    }

    /// Gives it such a part of the own ledger.
    pub fn quota(mut self, quota: Quota) -> Spawn {
        self.payer = Payer::Part(quota);
        self
    }

    /// Lets it live on this ledger instead.
    pub fn ledger(mut self, ledger: ledger::Client) -> Spawn {
        self.payer = Payer::Ledger(ledger);
        self
    }

    /// Lets it act in this session instead of the spawner's.
    pub fn session(mut self, session: session::Client) -> Spawn {
        self.session = Some(session);
        self
    }

    /// Bytes of the main thread's stack, rounded up to whole pages.
    pub fn stack_bytes(mut self, bytes: u64) -> Spawn {
        self.stack_bytes = bytes.next_multiple_of(PAGE_BYTES);
        self
    }

    /// Bytes of the main thread's ring area: a power of two.
    pub fn ring_bytes(mut self, bytes: u32) -> Spawn {
        self.ring_bytes = bytes;
        self
    }

    /// Starts it.
    pub async fn start(self) -> Result<process::Client, SpawnError> {
        let executable = match &self.program {
            Program::File(binary) => Rc::new(Executable::open(binary)?),
            Program::Executable(executable) => executable.clone(),
        };
        let child = Child::new(self.payer.ledger().await?, &self.name)?;
        match child.build(self, &executable) {
            Ok(()) => Ok(child.process),
            Err(error) => {
                // What stops a process that has not started from staying is worth less than why it did not.
                let _ = child.process.kill_request().call();
                Err(error)
            }
        }
    }
}

impl Payer {
    async fn ledger(&self) -> Result<ledger::Client, Error> {
        match self {
            Payer::Ledger(ledger) => Ok(ledger.clone()),
            Payer::Part(quota) => create_ledger(&slot(own::LEDGER)?, *quota).await,
        }
    }
}

/// A part of a ledger as a ledger of its own.
pub async fn create_ledger(from: &ledger::Client, quota: Quota) -> Result<ledger::Client, Error> {
    let mut request = from.create_ledger_request();
    let mut limits = request.get();
    limits.set_frames(quota.frames);
    limits.set_handles(quota.handles);
    limits.set_objects(quota.objects);
    limits.set_threads(quota.threads);
    request.call()?.get()?.get_ledger()
}

/// Ends everything that a ledger and those below it pay for. The ledger is empty then and can be used again.
pub async fn reclaim(ledger: &ledger::Client) -> Result<(), Error> {
    while ledger.reclaim_request().send().promise.await?.get()?.get_progress()? != ledger::Progress::Done {}
    Ok(())
}

/// A process being built.
struct Child {
    ledger: ledger::Client,
    process: process::Client,
    memory: virtual_memory::Client,
    handles: handle_manager::Client,
}

impl Child {
    fn new(ledger: ledger::Client, name: &str) -> Result<Child, Error> {
        let mut request = ledger.create_process_request();
        request.get().set_name(name);
        let reply = request.call()?;
        let made = reply.get()?;
        Ok(Child { ledger, process: made.get_process()?, memory: made.get_memory()?, handles: made.get_handles()? })
    }

    fn build(&self, spawn: Spawn, executable: &Executable) -> Result<(), SpawnError> {
        let plan = &executable.plan;
        if let Some(session) = spawn.session {
            let mut request = self.process.set_session_request();
            request.get().set_session(session);
            request.call()?;
        }
        let startup_bytes = image::startup_bytes(spawn.grants.len() + OWN_GRANTS, &spawn.arguments)?;
        let layout = Layout::new(plan, startup_bytes);
        self.share(plan, &executable.binary)?;
        let object = self.create_memory(layout.bytes())?;
        let (storage, startup) = self.map_own(plan, &layout, &object)?;
        let stack = zeroed(&self.memory, 0, PAGE_BYTES, spawn.stack_bytes)?;
        let stack = stack..stack + spawn.stack_bytes;
        let entry = Entry {
            address: plan.entry,
            stack_pointer: stack.end,
            thread_pointer: storage + image::control_offset(plan),
            argument: startup,
            ring_bytes: spawn.ring_bytes,
        };
        let thread = self.create_thread(entry)?;
        let capabilities = self.grant_all(thread, spawn.grants)?;
        let block = Startup { arguments: &spawn.arguments, capabilities: &capabilities, stack }.encode(plan)?;

        let own_memory = slot::<virtual_memory::Client>(own::MEMORY)?;
        let mut mapping = Mapping::new(&own_memory, object.cast_to(), layout.bytes(), Access::ReadWrite)?;
        // SAFETY: mapped writable; the only other mapping is that of a process that does not run.
        let image = unsafe { mapping.bytes_mut() };
        image::fill(image, &layout, plan, |offset, to| executable.file.copy(offset, to), storage);
        image::put(image, layout.startup.start, &block);
        drop(mapping);
        self.process.start_request().call()?;
        Ok(())
    }

    /// Maps what all instances share.
    fn share(&self, plan: &Plan, binary: &memory_reader::Client) -> Result<(), Error> {
        for part in &plan.shared {
            let access = if part.executable { Access::ReadExecute } else { Access::Read };
            let place = Part { offset: part.offset, bytes: part.bytes, address: part.address, access };
            map(&self.memory, binary.clone(), place)?;
        }
        Ok(())
    }

    /// Maps the instance's own memory; returns where its thread-local storage and its startup block are.
    fn map_own(&self, plan: &Plan, layout: &Layout, object: &memory_object::Client) -> Result<(u64, u64), Error> {
        let place = |range: &std::ops::Range<u64>, address, access| {
            let part = Part { offset: range.start, bytes: range.end - range.start, address, access };
            map(&self.memory, object.clone().cast_to(), part)
        };
        for (part, range) in plan.private.iter().zip(&layout.data) {
            if part.filled_bytes > 0 {
                place(range, part.address, Access::ReadWrite)?;
            }
            if part.zero_bytes > 0 {
                zeroed(&self.memory, part.address + part.filled_bytes, 0, part.zero_bytes)?;
            }
        }
        let storage = place(&layout.storage, 0, Access::ReadWrite)?;
        Ok((storage, place(&layout.startup, 0, Access::Read)?))
    }

    fn create_memory(&self, bytes: u64) -> Result<memory_object::Client, Error> {
        let mut request = self.ledger.create_memory_object_request();
        request.get().set_bytes(bytes);
        request.call()?.get()?.get_memory()
    }

    fn create_thread(&self, entry: Entry) -> Result<thread::Client, Error> {
        let mut request = self.ledger.create_thread_request();
        let mut parameters = request.get();
        parameters.set_process(self.process.clone());
        parameters.set_entry(entry.address);
        parameters.set_stack_pointer(entry.stack_pointer);
        parameters.set_thread_pointer(entry.thread_pointer);
        parameters.set_argument(entry.argument);
        parameters.set_ring_bytes(entry.ring_bytes);
        request.call()?.get()?.get_thread()
    }

    /// Gives the process what it holds; returns name, interface and the process's handle of each.
    fn grant_all(&self, thread: thread::Client, grants: Vec<Grant>) -> Result<Vec<(String, u64, u64)>, SpawnError> {
        let own: [Grant; OWN_GRANTS] = [
            Grant::new(own::PROCESS, self.process.clone()),
            Grant::new(own::LEDGER, self.ledger.clone()),
            Grant::new(own::MEMORY, self.memory.clone()),
            Grant::new(own::HANDLES, self.handles.clone()),
            Grant::new(own::THREAD, thread),
        ];
        let mut granted: Vec<(String, u64, u64)> = Vec::new();
        for grant in own.into_iter().chain(grants) {
            if granted.iter().any(|(slot, ..)| *slot == grant.slot) {
                return Err(SpawnError::BadSlotName(grant.slot));
            }
            let handle = self.grant(grant.capability)?;
            granted.push((grant.slot, grant.interface, handle));
        }
        Ok(granted)
    }

    fn grant(&self, capability: Box<dyn ClientHook>) -> Result<u64, Error> {
        let mut request = self.process.grant_request();
        request.get().init_capability().set_as_capability(capability);
        Ok(request.call()?.get()?.get_handle())
    }
}

/// Capabilities that every process gets.
const OWN_GRANTS: usize = 5;

impl Grant {
    fn new<C: FromClientHook + HasTypeId>(slot: &str, capability: C) -> Grant {
        Grant { slot: slot.into(), interface: C::TYPE_ID, capability: capability.into_client_hook() }
    }
}

/// How a main thread starts.
struct Entry {
    address: u64,
    stack_pointer: u64,
    thread_pointer: u64,
    argument: u64,
    ring_bytes: u32,
}
