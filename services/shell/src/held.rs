//! The capabilities that the session holds, by name.
use std::collections::BTreeMap;

use capnp::private::capability::ClientHook;
use schema::table::{self, Interface};

/// A capability and the interface it was granted with.
#[derive(Clone)]
pub struct Capability {
    /// Id of the interface; 0 if nobody said.
    pub interface: u64,
    /// The capability itself.
    pub hook: Box<dyn ClientHook>,
}

impl Capability {
    /// What the method table knows of its interface.
    pub fn described(&self) -> Result<&'static Interface, String> {
        table::by_id(self.interface)
            .ok_or_else(|| format!("its interface {} is not in the method table", interface_name(self.interface)))
    }

    /// Whether it offers this interface: its own or one that its own extends.
    pub fn offers(&self, interface: u64) -> bool {
        self.interface == interface || table::by_id(self.interface).is_some_and(|i| i.extends.contains(&interface))
    }
}

/// Name of an interface, or its id if the table does not know it.
pub fn interface_name(id: u64) -> String {
    match table::by_id(id) {
        Some(interface) => interface.name.to_owned(),
        None if id == 0 => "Capability".to_owned(),
        None => format!("0x{id:016x}"),
    }
}

/// Named capabilities.
#[derive(Default)]
pub struct Held {
    capabilities: BTreeMap<String, Capability>,
    kept: u32,
}

impl Held {
    /// Adds a capability under this name; one that had the name before is dropped.
    pub fn insert(&mut self, name: &str, capability: Capability) {
        self.capabilities.insert(name.to_owned(), capability);
    }

    /// Adds a capability under the next free number; gives the name.
    pub fn insert_numbered(&mut self, capability: Capability) -> String {
        self.kept += 1;
        let name = self.kept.to_string();
        self.insert(&name, capability);
        name
    }

    /// The capability of this name; the error lists the names that exist.
    pub fn get(&self, name: &str) -> Result<&Capability, String> {
        self.capabilities.get(name).ok_or_else(|| {
            let names: Vec<_> = self.names().map(|n| format!("@{n}")).collect();
            format!("there is no @{name}. You hold {}.", names.join(", "))
        })
    }

    /// Drops a capability.
    pub fn remove(&mut self, name: &str) -> Result<(), String> {
        self.get(name)?;
        self.capabilities.remove(name);
        Ok(())
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.capabilities.keys().map(String::as_str)
    }

    /// All names and capabilities, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Capability)> {
        self.capabilities.iter().map(|(name, capability)| (name.as_str(), capability))
    }
}
