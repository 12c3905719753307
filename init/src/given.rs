//! What the kernel gave to init, handed out in the parts that routes name.

use capnp::Error;
use capnp::capability::FromClientHook;
use capnp::private::capability::ClientHook;
use capos_service::{Failure, slot};
use init::manifest::{Part, Program, Source};
use schema::clock_capnp::clock;
use schema::entropy_capnp::entropy;
use schema::interrupt_capnp::interrupt_lines;
use schema::io_ports_capnp::io_ports;
use schema::kernel_log_capnp::kernel_log;
use schema::memory_object_capnp::memory_reader;
use schema::null_capnp::null;
use schema::scheduling_capnp::scheduling_authority;
use schema::session_capnp::session_authority;
use schema::system_control_capnp::system_control;
use std::cell::RefCell;
use std::collections::HashMap;

/// A capability of any interface.
pub type Capability = Box<dyn ClientHook>;

/// The parts that were made already: hardware has one holder, who may come back after a restart.
#[derive(Default)]
pub struct Given {
    made: RefCell<HashMap<Part, Capability>>,
}

impl Given {
    /// A capability of the kernel, or a part of one.
    pub async fn part(&self, part: Part) -> Result<Capability, Error> {
        if let Some(made) = self.made.borrow().get(&part) {
            return Ok(made.add_ref());
        }
        let made = make(part).await?;
        self.made.borrow_mut().insert(part, made.add_ref());
        Ok(made)
    }
}

/// An entry of the boot package.
pub fn boot_entry(name: &str) -> Result<memory_reader::Client, Error> {
    slot(&format!("boot/{name}"))
}

async fn make(part: Part) -> Result<Capability, Error> {
    Ok(match part {
        Part::Clock => slot::<clock::Client>("clock")?.into_client_hook(),
        Part::Entropy => slot::<entropy::Client>("entropy")?.into_client_hook(),
        Part::Null => slot::<null::Client>("null")?.into_client_hook(),
        Part::KernelLog => slot::<kernel_log::Client>("kernel-log")?.into_client_hook(),
        Part::Log => {
            let log = slot::<kernel_log::Client>("kernel-log")?;
            log.sink_request().send().promise.await?.get()?.get_sink()?.into_client_hook()
        }
        Part::Scheduling => slot::<scheduling_authority::Client>("scheduling")?.into_client_hook(),
        Part::Sessions => slot::<session_authority::Client>("sessions")?.into_client_hook(),
        Part::SystemControl => slot::<system_control::Client>("system")?.into_client_hook(),
        Part::SystemStatus => {
            let system = slot::<system_control::Client>("system")?;
            system.status_request().send().promise.await?.get()?.get_status()?.into_client_hook()
        }
        Part::Ports(first, count) => {
            let mut request = slot::<io_ports::Client>("ports")?.narrow_request();
            request.get().set_first(first);
            request.get().set_count(count);
            request.send().promise.await?.get()?.get_ports()?.into_client_hook()
        }
        Part::Interrupt(line) => {
            let mut request = slot::<interrupt_lines::Client>("interrupts")?.open_request();
            request.get().set_line(line);
            request.send().promise.await?.get()?.get_interrupt()?.into_client_hook()
        }
    })
}

/// Checks that the boot package holds every program file that is needed.
pub fn check_entries(programs: &[Program]) -> Result<(), Failure> {
    for program in programs {
        let routed = program.grants.iter().filter_map(|grant| match &grant.source {
            Source::Binary(name) => Some(name),
            _ => None,
        });
        for name in std::iter::once(&program.binary).chain(routed) {
            boot_entry(name)
                .map_err(|_| format!("\"{}\" needs \"{name}\", which is not in the boot package", program.name))?;
        }
    }
    Ok(())
}
