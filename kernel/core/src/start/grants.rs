//! What the first process is given: everything that the machine has.
use crate::Kernel;
use crate::authority::capability::{Capability, Object};
use crate::execution::process::Process;
use crate::ledger::Ledger;
use crate::memory::frame::{FRAME_BYTES, Frame};
use crate::memory::{Backing, MemoryObject};
use crate::platform::Platform;
use crate::slab::Id;
use crate::start::init::StartError;
use crate::start::package::Package;
use alloc::vec::Vec;
use capos_abi::interface;
use capos_abi::startup::{CapSetEntry, NAME_BYTES, slot};
use core::fmt;

impl<P: Platform> Kernel<P> {
    /// What every program has of its own.
    pub(super) fn grant_own(
        &mut self,
        caps: &mut Vec<CapSetEntry>,
        process: Id<Process>,
        ledger: Id<Ledger>,
        thread: Object,
    ) -> Result<(), StartError> {
        self.grant_init(caps, process, slot::PROCESS, Object::Process(process), interface::process::ID)?;
        self.grant_init(caps, process, slot::LEDGER, Object::Ledger(ledger), interface::ledger::ID)?;
        self.grant_init(caps, process, slot::MEMORY, Object::VirtualMemory(process), interface::virtual_memory::ID)?;
        self.grant_init(caps, process, slot::HANDLES, Object::Handles(process), interface::handle_manager::ID)?;
        self.grant_init(caps, process, slot::THREAD, thread, interface::thread::ID)
    }

    /// What there is but once.
    pub(super) fn grant_machine(
        &mut self,
        caps: &mut Vec<CapSetEntry>,
        process: Id<Process>,
    ) -> Result<(), StartError> {
        const ALL_PORTS: Object = Object::IoPorts(0, 1 << 16);
        for (name, object, interface) in [
            ("clock", Object::Clock, interface::clock::ID),
            ("interrupts", Object::InterruptLines, interface::interrupt_lines::ID),
            ("ports", ALL_PORTS, interface::io_ports::ID),
            ("kernel-log", Object::KernelLog, interface::kernel_log::ID),
            ("log", Object::KernelLog, interface::log_sink::ID),
            ("scheduling", Object::SchedulingAuthority, interface::scheduling_authority::ID),
            ("entropy", Object::Entropy, interface::entropy::ID),
            ("system", Object::System, interface::system_control::ID),
            ("sessions", Object::SessionAuthority, interface::session_authority::ID),
            ("null", Object::Null, interface::null::ID),
        ] {
            self.grant_init(caps, process, name, object, interface)?;
        }
        Ok(())
    }

    /// Hands each content of the package out as memory.
    pub(super) fn grant_modules(
        &mut self,
        caps: &mut Vec<CapSetEntry>,
        process: Id<Process>,
        package: &Package<'_>,
        first: Frame,
    ) -> Result<(), StartError> {
        for index in 0..package.count() {
            let entry = package.entry(index)?;
            let backing = Backing::Boot(first.offset(entry.offset / FRAME_BYTES));
            let object = MemoryObject::new(None, entry.content.len() as u64, backing);
            let object = self.memory.insert(object).map_err(|_| StartError::Memory)?;
            let mut name = crate::log::Line::new();
            let _ = fmt::Write::write_fmt(&mut name, format_args!("boot/{}", entry.name));
            self.grant_init(caps, process, name.as_str(), Object::Memory(object), interface::memory_reader::ID)?;
        }
        Ok(())
    }

    fn grant_init(
        &mut self,
        caps: &mut Vec<CapSetEntry>,
        process: Id<Process>,
        name: &str,
        object: Object,
        interface: u64,
    ) -> Result<(), StartError> {
        caps.try_reserve(1).map_err(|_| StartError::Memory)?;
        self.reserve_handles(process, 1)?;
        let slot = self.insert_root(process, Capability::new(object, interface));
        let mut entry = CapSetEntry { handle: self.handle_of(slot), interface, name: [0; NAME_BYTES] };
        entry.name.iter_mut().zip(name.bytes()).for_each(|(to, from)| *to = from);
        caps.push(entry);
        Ok(())
    }
}
