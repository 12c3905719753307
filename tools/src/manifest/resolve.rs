//! Names become what they stand for: interfaces their ids, routes the capability at their other end.

use super::description::{self, Description, Named};
use super::{Grant, Kernel, Offer, Program, Refusal, Refusals, Source};
use capos_abi::package;
use capos_abi::startup::{self, slot};
use schema::table::{self, Interface};

/// Interface of a slot that holds everything exposed.
const EVERYTHING: &str = "*";
/// Separates the name of such a slot from the names of what is exposed.
const SEPARATOR: char = '/';
/// Name of the slot in which a program that offers something finds the endpoint to serve.
const ENDPOINT_SLOT: &str = "endpoint";
/// Bytes of a process's name at most.
const MAX_NAME_BYTES: usize = 32;
/// Bytes of a slot's name at most: the CapSet ends it with a zero byte.
const MAX_SLOT_BYTES: usize = startup::NAME_BYTES - 1;

/// Slots that every process has anyhow.
const OWN_SLOTS: [&str; 6] = [slot::PROCESS, slot::LEDGER, slot::MEMORY, slot::THREAD, slot::HANDLES, ENDPOINT_SLOT];

/// The programs with everything resolved, by name.
pub fn resolve(description: &Description, is_program: &dyn Fn(&str) -> bool) -> Result<Vec<Program>, Refusals> {
    let mut resolver = Resolver { description, is_program, refusals: Refusals::default() };
    let exposed = resolver.exposed();
    let programs = description.programs.iter().map(|(name, program)| resolver.program(name, program, &exposed));
    let programs: Vec<Program> = programs.collect();
    resolver.stray_routes();
    resolver.sharing(&programs);
    resolver.package_entries(&programs);
    resolver.refusals.unless_empty(programs)
}

struct Resolver<'a> {
    description: &'a Description,
    is_program: &'a dyn Fn(&str) -> bool,
    refusals: Refusals,
}

impl Resolver<'_> {
    fn refuse(&mut self, path: impl Into<String>, sentence: impl Into<String>) {
        self.refusals.0.push(Refusal::new(path, sentence));
    }

    fn program(&mut self, name: &str, program: &description::Program, exposed: &[Grant]) -> Program {
        let path = format!("programs.{name}");
        if name.len() > MAX_NAME_BYTES {
            self.refuse(&path, format!("the name is longer than {MAX_NAME_BYTES} bytes"));
        }
        self.binary(&format!("{path}.binary"), &program.binary);
        Program {
            name: name.into(),
            binary: program.binary.clone(),
            arguments: program.arguments.clone(),
            quota: program.quota,
            offers: self.offers(&path, &program.offers),
            grants: program.uses.iter().flat_map(|(slot, wanted)| self.slot(name, slot, wanted, exposed)).collect(),
            restart: program.restart,
        }
    }

    fn offers(&mut self, program: &str, offers: &Named<String>) -> Vec<Offer> {
        let mut resolved = Vec::new();
        for (name, interface) in offers {
            if let Some(interface) = self.interface(&format!("{program}.offer.{name}"), interface) {
                resolved.push(Offer { name: name.clone(), interface: interface.id });
            }
        }
        resolved
    }

    /// What the slot of a program is given: one capability, or everything exposed.
    fn slot(&mut self, program: &str, slot: &str, wanted: &str, exposed: &[Grant]) -> Vec<Grant> {
        let path = format!("programs.{program}.use.{slot}");
        if OWN_SLOTS.contains(&slot) {
            self.refuse(&path, format!("\"{slot}\" is given to every process by itself; name the slot otherwise"));
        }
        let route = format!("routes.{program}.{slot}");
        let Some(source) = self.description.routes.get(program).and_then(|routes| routes.get(slot)) else {
            self.refuse(path, "no route leads to this slot");
            return Vec::new();
        };
        match (wanted, source.exposed) {
            (EVERYTHING, Some(true)) => self.bundle(&path, slot, exposed),
            (EVERYTHING, _) => {
                self.nothing(route, "this slot takes all that the system exposes: write \"exposed: true\"")
            }
            (_, Some(true)) => {
                self.nothing(route, format!("what the system exposes needs a slot \"*\", but this one is {wanted}"))
            }
            _ => self.single(&path, route, slot, wanted, source).into_iter().collect(),
        }
    }

    fn nothing(&mut self, path: String, sentence: impl Into<String>) -> Vec<Grant> {
        self.refuse(path, sentence);
        Vec::new()
    }

    fn single(
        &mut self,
        path: &str,
        route: String,
        slot: &str,
        wanted: &str,
        source: &description::Source,
    ) -> Option<Grant> {
        let wanted = self.interface(path, wanted);
        let (source, given) = self.source(&route, source)?;
        let wanted = wanted?;
        if given.id != wanted.id {
            self.refuse(route, format!("the slot is {}, but it would be given {}", wanted.name, given.name));
        }
        self.slot_name(path, slot);
        Some(Grant { slot: slot.into(), interface: given.id, source })
    }

    /// Everything exposed, in slots `<slot>/<name>`.
    fn bundle(&mut self, path: &str, slot: &str, exposed: &[Grant]) -> Vec<Grant> {
        let grants =
            exposed.iter().map(|grant| Grant { slot: format!("{slot}{SEPARATOR}{}", grant.slot), ..grant.clone() });
        let grants: Vec<Grant> = grants.collect();
        grants.iter().for_each(|grant| self.slot_name(path, &grant.slot));
        grants
    }

    fn slot_name(&mut self, path: &str, slot: &str) {
        if slot.len() > MAX_SLOT_BYTES {
            self.refuse(path, format!("the slot's name \"{slot}\" is longer than {MAX_SLOT_BYTES} bytes"));
        }
    }

    fn exposed(&mut self) -> Vec<Grant> {
        let mut grants = Vec::new();
        for (name, source) in &self.description.expose {
            let path = format!("expose.{name}");
            if source.exposed.is_some() {
                self.refuse(path, "what is exposed needs a source of its own");
            } else if let Some((source, interface)) = self.source(&path, source) {
                grants.push(Grant { slot: name.clone(), interface: interface.id, source });
            }
        }
        grants
    }

    /// The other end of a route, and its interface.
    fn source(&mut self, path: &str, source: &description::Source) -> Option<(Source, &'static Interface)> {
        let given = [&source.kernel, &source.from, &source.binary, &source.init].into_iter().flatten().count();
        if given + usize::from(source.exposed.is_some()) != 1 {
            self.refuse(path, "a route names one of \"kernel\", \"from\", \"binary\", \"init\" and \"exposed\"");
            return None;
        }
        if let Some(name) = &source.kernel {
            self.kernel(path, name, source)
        } else if let Some(program) = &source.from {
            self.offer(path, program, source.offer.as_deref())
        } else if let Some(binary) = &source.binary {
            self.binary(path, binary);
            Some((Source::Binary(binary.clone()), self.interface(path, "MemoryReader")?))
        } else {
            self.init(path, source.init.as_deref()?)
        }
    }

    fn kernel(&mut self, path: &str, name: &str, source: &description::Source) -> Option<(Source, &'static Interface)> {
        match Kernel::read(name, source) {
            Ok(kernel) => Some((Source::Kernel(kernel), self.interface(path, kernel.interface())?)),
            Err(sentence) => {
                self.refuse(path, sentence);
                None
            }
        }
    }

    fn offer(&mut self, path: &str, program: &str, offer: Option<&str>) -> Option<(Source, &'static Interface)> {
        let Some(offer) = offer else {
            self.refuse(path, format!("say which offer of \"{program}\" is meant"));
            return None;
        };
        let Some(provider) = self.description.programs.get(program) else {
            self.refuse(path, format!("there is no program \"{program}\""));
            return None;
        };
        let Some(interface) = provider.offers.get(offer) else {
            self.refuse(path, format!("\"{program}\" offers no \"{offer}\""));
            return None;
        };
        // A wrong name is refused where the offer stands.
        let interface = table::by_name(interface)?;
        Some((Source::Offer { program: program.into(), offer: offer.into() }, interface))
    }

    fn init(&mut self, path: &str, name: &str) -> Option<(Source, &'static Interface)> {
        if name != "supervisor" {
            self.refuse(path, format!("init has no capability \"{name}\""));
            return None;
        }
        Some((Source::Supervisor, self.interface(path, "Supervisor")?))
    }

    fn interface(&mut self, path: &str, name: &str) -> Option<&'static Interface> {
        let interface = table::by_name(name);
        if interface.is_none() {
            self.refuse(path, format!("there is no interface \"{name}\""));
        }
        interface
    }

    fn binary(&mut self, path: &str, name: &str) {
        if name.len() >= package::NAME_BYTES {
            self.refuse(path, format!("the name is longer than {} bytes", package::NAME_BYTES - 1));
        } else if !(self.is_program)(name) {
            self.refuse(path, format!("there is no program file \"{name}\""));
        }
    }

    fn stray_routes(&mut self) {
        let description = self.description;
        for (program, routes) in &description.routes {
            let Some(block) = description.programs.get(program) else {
                self.refuse(format!("routes.{program}"), format!("there is no program \"{program}\""));
                continue;
            };
            for slot in routes.keys().filter(|slot| !block.uses.contains_key(*slot)) {
                self.refuse(format!("routes.{program}.{slot}"), format!("\"{program}\" uses no slot \"{slot}\""));
            }
        }
    }

    /// Hardware has one holder.
    fn sharing(&mut self, programs: &[Program]) {
        let mut taken: Vec<(&str, Kernel)> = Vec::new();
        for program in programs {
            for grant in &program.grants {
                let Source::Kernel(kernel) = grant.source else { continue };
                if let Some((holder, what)) =
                    taken.iter().find_map(|(holder, other)| Some((*holder, kernel.conflict(other)?)))
                {
                    self.refuse(
                        format!("routes.{}.{}", program.name, grant.slot),
                        format!("{what} goes to \"{holder}\" already"),
                    );
                }
                taken.push((&program.name, kernel));
            }
        }
    }

    /// The manifest and init come before the programs.
    fn package_entries(&mut self, programs: &[Program]) {
        let system_entries = (package::INIT_ENTRY + 1) as usize;
        let mut binaries: Vec<&str> = programs.iter().map(|program| program.binary.as_str()).collect();
        binaries.extend(programs.iter().flat_map(|program| &program.grants).filter_map(|grant| match &grant.source {
            Source::Binary(name) => Some(name.as_str()),
            _ => None,
        }));
        binaries.sort_unstable();
        binaries.dedup();
        let most = package::MAX_ENTRIES as usize - system_entries;
        if binaries.len() > most {
            self.refuse(
                "programs",
                format!("there are {} program files, but a boot package holds {most}", binaries.len()),
            );
        }
    }
}
