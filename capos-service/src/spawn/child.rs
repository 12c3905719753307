//! A process being built: from a ledger to its start, by calls that the kernel answers at once.

use super::executable::Executable;
use super::image::{self, Granted, Layout, Piece, Startup};
use super::plan::Plan;
use super::{Grant, Spawn, SpawnError};
use crate::RingCall;
use crate::mapping::{Part, map, write, zeroed};
use capnp::Error;
use capos_abi::PAGE_BYTES;
use capos_abi::message::MAX_CAPS;
use capos_abi::startup::slot as own;
use schema::handle_manager_capnp::handle_manager;
use schema::ledger_capnp::ledger;
use schema::memory_object_capnp::memory_reader;
use schema::process_capnp::process;
use schema::thread_capnp::thread;
use schema::virtual_memory_capnp::virtual_memory::{self, Access};

/// A process being built.
pub struct Child {
    ledger: ledger::Client,
    /// Control of it.
    pub process: process::Client,
    memory: virtual_memory::Client,
    handles: handle_manager::Client,
}

impl Child {
    /// An empty process that this ledger pays for.
    pub fn new(ledger: ledger::Client, name: &str) -> Result<Child, Error> {
        let mut request = ledger.create_process_request();
        request.get().set_name(name);
        let reply = request.call()?;
        let made = reply.get()?;
        Ok(Child { ledger, process: made.get_process()?, memory: made.get_memory()?, handles: made.get_handles()? })
    }

    /// Fills and starts it.
    pub fn build(&self, spawn: Spawn, executable: &Executable) -> Result<(), SpawnError> {
        let plan = &executable.plan;
        if let Some(session) = spawn.session {
            let mut request = self.process.set_session_request();
            request.get().set_session(session);
            request.call()?;
        }
        let startup_bytes = image::startup_bytes(spawn.grants.len() + OWN_GRANTS, &spawn.arguments)?;
        let layout = Layout::new(plan, spawn.stack_bytes, startup_bytes);
        self.share(plan, &executable.binary)?;
        self.fill(executable)?;
        let start = zeroed(&self.memory, 0, PAGE_BYTES, layout.bytes)?;
        let thread = self.create_thread(plan.entry, start, &layout, spawn.ring_bytes)?;
        let capabilities = self.grant_all(thread, spawn.grants)?;
        let stack = start..start + layout.stack_bytes;
        let block = Startup { arguments: &spawn.arguments, capabilities: &capabilities, stack }.encode(plan)?;
        let storage = Piece::storage(plan, &layout, start, |offset, to| executable.file.copy(offset, to));
        self.write(&storage)?;
        self.write(&Piece::startup(&layout, start, &block))?;
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

    /// Makes the memory that the instance writes, and fills it.
    fn fill(&self, executable: &Executable) -> Result<(), Error> {
        for part in &executable.plan.private {
            zeroed(&self.memory, part.address, 0, part.bytes)?;
            self.write(&Piece::data(part, |offset, to| executable.file.copy(offset, to)))?;
        }
        Ok(())
    }

    fn write(&self, piece: &Piece) -> Result<(), Error> {
        write(&self.memory, piece.address, &piece.bytes)
    }

    /// A thread whose memory starts at `start`.
    fn create_thread(&self, entry: u64, start: u64, layout: &Layout, ring_bytes: u32) -> Result<thread::Client, Error> {
        let mut request = self.ledger.create_thread_request();
        let mut parameters = request.get();
        parameters.set_process(self.process.clone());
        parameters.set_entry(entry);
        parameters.set_stack_pointer(start + layout.stack_bytes);
        parameters.set_thread_pointer(start + layout.control);
        parameters.set_argument(start + layout.startup);
        parameters.set_ring_bytes(ring_bytes);
        request.call()?.get()?.get_thread()
    }

    /// Gives the process what it holds.
    fn grant_all(&self, thread: thread::Client, grants: Vec<Grant>) -> Result<Vec<Granted>, SpawnError> {
        let own: [Grant; OWN_GRANTS] = [
            Grant::new(own::PROCESS, self.process.clone()),
            Grant::new(own::LEDGER, self.ledger.clone()),
            Grant::new(own::MEMORY, self.memory.clone()),
            Grant::new(own::HANDLES, self.handles.clone()),
            Grant::new(own::THREAD, thread),
        ];
        let mut all: Vec<Grant> = Vec::with_capacity(OWN_GRANTS + grants.len());
        for grant in own.into_iter().chain(grants) {
            if all.iter().any(|other| other.slot == grant.slot) {
                return Err(SpawnError::BadSlotName(grant.slot.into_owned()));
            }
            all.push(grant);
        }
        let mut granted = Vec::with_capacity(all.len());
        let mut rest = all.into_iter();
        while rest.len() > 0 {
            self.grant_some(rest.by_ref().take(MAX_CAPS), &mut granted)?;
        }
        Ok(granted)
    }

    /// Gives the process as many as one message carries.
    fn grant_some(&self, grants: impl Iterator<Item = Grant>, granted: &mut Vec<Granted>) -> Result<(), Error> {
        let (names, capabilities): (Vec<_>, Vec<_>) =
            grants.map(|grant| ((grant.slot, grant.interface), grant.capability)).unzip();
        let mut request = self.process.grant_all_request();
        let mut list = request.get().init_grants(capabilities.len() as u32);
        for (index, capability) in (0..).zip(capabilities) {
            list.reborrow().get(index).init_capability().set_as_capability(capability);
        }
        let reply = request.call()?;
        let handles = reply.get()?.get_handles()?;
        granted.extend(names.into_iter().zip(handles).map(|((slot, interface), handle)| Granted {
            slot,
            interface,
            handle,
        }));
        Ok(())
    }
}

/// Capabilities that every process gets.
const OWN_GRANTS: usize = 5;
