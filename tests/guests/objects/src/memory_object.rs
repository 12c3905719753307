//! `MemoryReader` and `MemoryObject`: memory that several can map.

use crate::Check;
use crate::ledger::memory;
use crate::verify::{holds, refused};
use capnp::capability::FromClientHook;
use capos_abi::PAGE_BYTES;
use capos_abi::status;
use capos_service::mapping::{Mapping, Part, map};
use capos_service::{Failure, RingCall, slot};
use schema::memory_object_capnp::{memory_object, memory_reader};
use schema::virtual_memory_capnp::virtual_memory::Access;

pub const CHECKS: &[Check] =
    &[("MemoryReader.size", size), ("MemoryObject.reader", reader), ("MemoryObject.seal", seal)];

/// Maps the first page for this access, and gives the mapping up.
fn try_map(object: memory_reader::Client, access: Access) -> capnp::Result<Mapping> {
    Mapping::new(&slot("memory")?, object, PAGE_BYTES, access)
}

fn size() -> Result<(), Failure> {
    for bytes in [1, PAGE_BYTES, PAGE_BYTES + 1] {
        let object: memory_reader::Client = memory(&slot("ledger")?, bytes)?.cast_to();
        holds("the bytes that it was made with", object.size_request().call()?.get()?.get_bytes() == bytes)?;
    }
    Ok(())
}

fn reader() -> Result<(), Failure> {
    let object = memory(&slot("ledger")?, PAGE_BYTES)?;
    let facet = object.reader_request().call()?.get()?.get_reader()?;
    let mut written = try_map(object.cast_to(), Access::ReadWrite)?;
    // SAFETY: mapped writable; the facet is mapped only behind this.
    let bytes = unsafe { written.bytes_mut() };
    bytes[7] = 42;
    let mut byte = [0];
    try_map(facet.clone(), Access::Read)?.copy(7, &mut byte);
    holds("the facet reads what was written", byte == [42])?;
    refused(try_map(facet.clone(), Access::ReadWrite), status::WRONG_INTERFACE)?;
    refused(facet.cast_to::<memory_object::Client>().seal_request().call(), status::WRONG_INTERFACE)
}

fn seal() -> Result<(), Failure> {
    let object = memory(&slot("ledger")?, PAGE_BYTES)?;
    let writer = try_map(object.clone().cast_to(), Access::ReadWrite)?;
    refused(object.seal_request().call(), status::BAD_STATE)?;
    drop(writer);
    // Mapped to be read by who may write it, it could be written after `protect`.
    let reader = try_map(object.clone().cast_to(), Access::Read)?;
    refused(object.seal_request().call(), status::BAD_STATE)?;
    drop(reader);
    object.seal_request().call()?;
    refused(try_map(object.clone().cast_to(), Access::ReadWrite), status::BAD_STATE)?;
    let own: schema::virtual_memory_capnp::virtual_memory::Client = slot("memory")?;
    let part = Part { offset: 0, bytes: PAGE_BYTES, address: 0, access: Access::Read };
    let address = map(&own, object.cast_to(), part)?;
    let mut request = own.protect_request();
    request.get().set_address(address);
    request.get().set_bytes(PAGE_BYTES);
    request.get().set_access(Access::ReadWrite);
    refused(request.call(), status::BAD_STATE)?;
    let mut request = own.unmap_request();
    request.get().set_address(address);
    request.get().set_bytes(PAGE_BYTES);
    Ok(request.call().map(drop)?)
}
