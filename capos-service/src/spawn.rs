//! Starting a program: what a kernel elsewhere calls `exec`, done by the spawner with ordinary capabilities.
//!
//! [`plan`] reads the program file, [`Executable`] keeps it read, [`image`] says what is written, [`Spawn`] does it in this order: a
//! ledger and a process; the file mapped, shared by all instances; memory of its own, filled; behind a guard page, that of the main
//! thread; the thread; the grants, and the startup block that names them. Then the process starts. It holds exactly what was granted
//! and, of its own, `process`, `ledger`, `memory`, `thread` and `handles`. All that is asked for here the kernel does at once, so
//! the calls block.
//!
//! ```ignore
//! let process = Spawn::new(&binary, "hello").argument("world").grant("log", log).start().await?;
//! ```

mod child;
mod error;
mod executable;
pub mod image;
pub mod plan;
#[cfg(test)]
mod test;

pub use error::{SpawnError, Unfit};
pub use executable::Executable;

use crate::{RingCall, slot};
use capnp::Error;
use capnp::capability::FromClientHook;
use capnp::private::capability::ClientHook;
use capnp::traits::HasTypeId;
use capos_abi::PAGE_BYTES;
use capos_abi::ring::DEFAULT_AREA_BYTES;
use capos_abi::startup::slot as own;
use child::Child;
use schema::ledger_capnp::ledger;
use schema::memory_object_capnp::memory_reader;
use schema::process_capnp::process;
use schema::session_capnp::session;
use std::borrow::Cow;
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
    slot: Cow<'static, str>,
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
        self.grants.push(Grant { slot: Cow::Owned(slot.into()), interface, capability });
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

impl Grant {
    fn new<C: FromClientHook + HasTypeId>(slot: &'static str, capability: C) -> Grant {
        Grant { slot: slot.into(), interface: C::TYPE_ID, capability: capability.into_client_hook() }
    }
}
