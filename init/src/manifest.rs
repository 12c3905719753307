//! The compiled manifest, read and checked: what the compiler promised holds here too, or the system does not start.

use crate::restart::{Policy, When};
use capnp::message::ReaderOptions;
use capnp::traits::HasTypeId;
use capnp::{Word, serialize};
use capos_service::spawn::Quota;
use schema::manifest_capnp::{grant, manifest, offer_reference, program, restart};
use schema::{clock_capnp, entropy_capnp, interrupt_capnp, io_ports_capnp, kernel_log_capnp, memory_object_capnp};
use schema::{null_capnp, scheduling_capnp, session_capnp, supervisor_capnp, system_control_capnp};
use std::fmt;
use std::time::Duration;

/// A program to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Name, unique.
    pub name: String,
    /// Its entry of the boot package.
    pub binary: String,
    /// Arguments without the program's name.
    pub arguments: Vec<String>,
    /// Limits of its ledger.
    pub quota: Quota,
    /// Interfaces of what it gives; their index is the object's key.
    pub offers: Vec<u64>,
    /// What it is given.
    pub grants: Vec<Grant>,
    /// When it is started again.
    pub restart: Policy,
}

/// A capability for a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The slot in which the program finds it.
    pub slot: String,
    /// Its interface.
    pub interface: u64,
    /// Where it comes from.
    pub source: Source,
}

/// Where a capability comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An offer of a program that stands before, both by index.
    Offer(usize, usize),
    /// An entry of the boot package.
    Binary(String),
    /// What the kernel gave to init, or a part of it.
    Kernel(Part),
    /// Control of the programs.
    Supervisor,
}

/// A capability of the kernel, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The monotonic clock.
    Clock,
    /// Random bytes.
    Entropy,
    /// The object that does nothing.
    Null,
    /// Append-only access to the kernel's log.
    Log,
    /// The kernel's log.
    KernelLog,
    /// So many I/O ports from the first.
    Ports(u16, u16),
    /// A legacy interrupt line.
    Interrupt(u8),
    /// The power switch.
    SystemControl,
    /// Facts about the machine.
    SystemStatus,
    /// The right to open sessions.
    Sessions,
    /// The say in how processor time is shared.
    Scheduling,
}

/// Why a manifest is not accepted: one sentence.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "the manifest is not sound: {}", self.0)
    }
}

impl From<capnp::Error> for Refusal {
    fn from(error: capnp::Error) -> Refusal {
        Refusal(error.to_string())
    }
}

impl From<capnp::NotInSchema> for Refusal {
    fn from(value: capnp::NotInSchema) -> Refusal {
        Refusal(value.to_string())
    }
}

impl From<std::str::Utf8Error> for Refusal {
    fn from(error: std::str::Utf8Error) -> Refusal {
        Refusal(error.to_string())
    }
}

/// Reads a manifest.
pub fn read(message: &[Word]) -> Result<Vec<Program>, Refusal> {
    let mut bytes = Word::words_to_bytes(message);
    let message = serialize::read_message_from_flat_slice_no_alloc(&mut bytes, ReaderOptions::new())?;
    let programs: Vec<Program> =
        message.get_root::<manifest::Reader>()?.get_programs()?.iter().map(read_program).collect::<Result<_, _>>()?;
    (0..programs.len()).try_for_each(|index| check(&programs, index))?;
    Ok(programs)
}

fn read_program(program: program::Reader) -> Result<Program, Refusal> {
    let quota = program.get_quota()?;
    let quota = Quota {
        frames: quota.get_frames(),
        handles: quota.get_handles(),
        objects: quota.get_objects(),
        threads: quota.get_threads(),
    };
    Ok(Program {
        name: program.get_name()?.to_str()?.into(),
        binary: program.get_binary()?.to_str()?.into(),
        arguments: program
            .get_arguments()?
            .iter()
            .map(|text| Ok(text?.to_str()?.into()))
            .collect::<Result<_, Refusal>>()?,
        quota,
        offers: program.get_offers()?.iter().map(|offer| offer.get_interface_id()).collect(),
        grants: program.get_grants()?.iter().map(read_grant).collect::<Result<_, _>>()?,
        restart: read_restart(program.get_restart()?)?,
    })
}

fn read_grant(grant: grant::Reader) -> Result<Grant, Refusal> {
    use grant::source::Which;
    let source = match grant.get_source().which()? {
        Which::Offer(reference) => read_reference(reference?),
        Which::Binary(name) => Source::Binary(name?.to_str()?.into()),
        Which::Supervisor(()) => Source::Supervisor,
        Which::Clock(()) => Source::Kernel(Part::Clock),
        Which::Entropy(()) => Source::Kernel(Part::Entropy),
        Which::Null(()) => Source::Kernel(Part::Null),
        Which::Log(()) => Source::Kernel(Part::Log),
        Which::KernelLog(()) => Source::Kernel(Part::KernelLog),
        Which::Ports(range) => range.map(|range| Source::Kernel(Part::Ports(range.get_first(), range.get_count())))?,
        Which::Interrupt(line) => Source::Kernel(Part::Interrupt(line)),
        Which::SystemControl(()) => Source::Kernel(Part::SystemControl),
        Which::SystemStatus(()) => Source::Kernel(Part::SystemStatus),
        Which::Sessions(()) => Source::Kernel(Part::Sessions),
        Which::Scheduling(()) => Source::Kernel(Part::Scheduling),
    };
    Ok(Grant { slot: grant.get_slot()?.to_str()?.into(), interface: grant.get_interface_id(), source })
}

fn read_reference(reference: offer_reference::Reader) -> Source {
    Source::Offer(reference.get_program().into(), reference.get_offer().into())
}

fn read_restart(restart: restart::Reader) -> Result<Policy, Refusal> {
    let when = match restart.get_when()? {
        restart::When::Never => When::Never,
        restart::When::OnFailure => When::OnFailure,
        restart::When::Always => When::Always,
    };
    Ok(Policy {
        when,
        back_off: Duration::from_millis(restart.get_back_off_milliseconds().into()),
        longest_back_off: Duration::from_millis(restart.get_longest_back_off_milliseconds().into()),
        limit: restart.get_limit() as usize,
        within: Duration::from_secs(restart.get_within_seconds().into()),
    })
}

/// Checks the program at `index` against those before it.
fn check(programs: &[Program], index: usize) -> Result<(), Refusal> {
    let (before, program) = (&programs[..index], &programs[index]);
    let name = &program.name;
    if name.is_empty() || before.iter().any(|other| other.name == *name) {
        return Err(Refusal(format!("no program, or more than one, has the name \"{name}\"")));
    }
    for grant in &program.grants {
        let slot = &grant.slot;
        if program.grants.iter().filter(|other| other.slot == *slot).count() != 1 {
            return Err(Refusal(format!("\"{name}\" would be given two capabilities in the slot \"{slot}\"")));
        }
        let given = given_interface(before, &grant.source);
        let given =
            given.ok_or_else(|| Refusal(format!("what \"{name}\" is given in \"{slot}\" comes from nowhere")))?;
        if given != grant.interface {
            return Err(Refusal(format!(
                "what \"{name}\" is given in \"{slot}\" is not of the interface that it expects"
            )));
        }
    }
    Ok(())
}

/// The interface of what comes from `source`; offers are those of programs `before`.
fn given_interface(before: &[Program], source: &Source) -> Option<u64> {
    Some(match source {
        Source::Offer(program, offer) => *before.get(*program)?.offers.get(*offer)?,
        Source::Binary(_) => memory_object_capnp::memory_reader::Client::TYPE_ID,
        Source::Supervisor => supervisor_capnp::supervisor::Client::TYPE_ID,
        Source::Kernel(part) => match part {
            Part::Clock => clock_capnp::clock::Client::TYPE_ID,
            Part::Entropy => entropy_capnp::entropy::Client::TYPE_ID,
            Part::Null => null_capnp::null::Client::TYPE_ID,
            Part::Log => kernel_log_capnp::log_sink::Client::TYPE_ID,
            Part::KernelLog => kernel_log_capnp::kernel_log::Client::TYPE_ID,
            Part::Ports(..) => io_ports_capnp::io_ports::Client::TYPE_ID,
            Part::Interrupt(_) => interrupt_capnp::interrupt::Client::TYPE_ID,
            Part::SystemControl => system_control_capnp::system_control::Client::TYPE_ID,
            Part::SystemStatus => system_control_capnp::system_status::Client::TYPE_ID,
            Part::Sessions => session_capnp::session_authority::Client::TYPE_ID,
            Part::Scheduling => scheduling_capnp::scheduling_authority::Client::TYPE_ID,
        },
    })
}
