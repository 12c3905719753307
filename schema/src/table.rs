//! The method table: what a program needs to call any method of any capability without naming an interface.
use capnp::introspect::{Introspect, Type};

/// An interface.
pub struct Interface {
    /// Interface id.
    pub id: u64,
    /// Name, unique in the system.
    pub name: &'static str,
    /// Stem of the schema file.
    pub file: &'static str,
    /// Doc comment.
    pub doc: &'static str,
    /// Ids of every interface that this one extends, directly or not.
    pub extends: &'static [u64],
    /// Own methods, by ordinal; those of extended interfaces stand there.
    pub methods: &'static [Method],
}

/// A method.
pub struct Method {
    /// Method number.
    pub ordinal: u16,
    /// Name.
    pub name: &'static str,
    /// Doc comment.
    pub doc: &'static str,
    /// Annotated `$idempotent`: calling twice does what calling once does.
    pub idempotent: bool,
    /// Type of the parameter struct.
    pub params: fn() -> Type,
    /// Type of the result struct.
    pub results: fn() -> Type,
}

include!(concat!(env!("OUT_DIR"), "/table.rs"));

/// The interface with this id.
pub fn by_id(id: u64) -> Option<&'static Interface> {
    INTERFACES.iter().find(|i| i.id == id)
}

/// The interface with this name.
pub fn by_name(name: &str) -> Option<&'static Interface> {
    INTERFACES.iter().find(|i| i.name == name)
}

/// Whether a method of an interface may be called twice; unknown ones may not.
pub fn is_idempotent(interface: u64, method: u16) -> bool {
    let methods = by_id(interface).map_or(&[][..], |interface| interface.methods);
    methods.iter().any(|m| m.ordinal == method && m.idempotent)
}

impl Interface {
    /// The method of this name, with the interface that declares it: this one or one that it extends.
    pub fn method(&'static self, name: &str) -> Option<(&'static Interface, &'static Method)> {
        let found = self.methods.iter().find(|m| m.name == name).map(|m| (self, m));
        found.or_else(|| self.ancestors().find_map(|i| Some((i, i.methods.iter().find(|m| m.name == name)?))))
    }

    /// The interfaces that this one extends, directly or not.
    pub fn ancestors(&self) -> impl Iterator<Item = &'static Interface> {
        self.extends.iter().filter_map(|&id| by_id(id))
    }
}
