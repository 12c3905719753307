//! A checked system: every name leads somewhere, every slot has its capability.

use super::Kernel;
use super::description::{Quota, Restart};

/// The system, its programs in starting order.
#[derive(Debug)]
pub struct System {
    /// A program stands behind those whose offers it uses.
    pub programs: Vec<Program>,
}

/// A program to start.
#[derive(Debug)]
pub struct Program {
    /// Name, unique.
    pub name: String,
    /// Name of its program file.
    pub binary: String,
    /// Arguments without the program's name.
    pub arguments: Vec<String>,
    /// Limits of its ledger.
    pub quota: Quota,
    /// What it gives, by name.
    pub offers: Vec<Offer>,
    /// What it is given, by slot.
    pub grants: Vec<Grant>,
    /// What happens when it ends.
    pub restart: Restart,
}

/// An object of a program's endpoint; its key is its index.
#[derive(Debug)]
pub struct Offer {
    /// Name, unique in the program.
    pub name: String,
    /// Interface id.
    pub interface: u64,
}

/// A capability to be found in a slot.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Name of the slot.
    pub slot: String,
    /// Interface id.
    pub interface: u64,
    /// Where it comes from.
    pub source: Source,
}

/// Where a capability comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An offer of a program.
    Offer {
        /// The program.
        program: String,
        /// The offer.
        offer: String,
    },
    /// A program file, as a `MemoryReader`.
    Binary(String),
    /// A capability of the kernel or a part of one.
    Kernel(Kernel),
    /// Control of the programs, served by init.
    Supervisor,
}

impl System {
    /// Every program file that the boot package has to hold, each once.
    pub fn binaries(&self) -> Vec<&str> {
        let mut binaries = Vec::new();
        for program in &self.programs {
            let routed = program.grants.iter().filter_map(|grant| match &grant.source {
                Source::Binary(name) => Some(name.as_str()),
                _ => None,
            });
            for binary in std::iter::once(program.binary.as_str()).chain(routed) {
                if !binaries.contains(&binary) {
                    binaries.push(binary);
                }
            }
        }
        binaries
    }
}
