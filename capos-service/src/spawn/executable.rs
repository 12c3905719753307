//! A program file, mapped and read once for however many processes run it.

use super::SpawnError;
use super::plan::{HEAD_BYTES, Plan};
use crate::mapping::Mapping;
use crate::{RingCall, slot};
use capos_abi::startup::slot as own;
use schema::memory_object_capnp::memory_reader;
use schema::virtual_memory_capnp::virtual_memory::Access;

/// A program that can be started.
pub struct Executable {
    /// The file.
    pub(super) binary: memory_reader::Client,
    /// How to load it.
    pub(super) plan: Plan,
    /// The file in the own address space.
    pub(super) file: Mapping,
}

impl Executable {
    /// Reads the headers of the file `binary`.
    pub fn open(binary: &memory_reader::Client) -> Result<Executable, SpawnError> {
        let bytes = binary.size_request().call()?.get()?.get_bytes();
        let file = Mapping::new(&slot(own::MEMORY)?, binary.clone(), bytes, Access::Read)?;
        let mut head = vec![0; bytes.min(HEAD_BYTES) as usize];
        file.copy(0, &mut head);
        Ok(Executable { binary: binary.clone(), plan: Plan::read(&head, bytes)?, file })
    }
}
