//! Memory objects mapped into the own address space for a while. The kernel answers these calls at once: nobody waits.

use crate::RingCall;
use capnp::Error;
use capos_abi::PAGE_BYTES;
use schema::memory_object_capnp::memory_reader;
use schema::virtual_memory_capnp::virtual_memory::{self, Access};

/// A mapping. It stays until it is dropped.
pub struct Mapping {
    memory: virtual_memory::Client,
    address: u64,
    bytes: u64,
}

impl Mapping {
    /// Maps the first `bytes` of an object somewhere.
    pub fn new(
        memory: &virtual_memory::Client,
        object: memory_reader::Client,
        bytes: u64,
        access: Access,
    ) -> Result<Mapping, Error> {
        let bytes = bytes.next_multiple_of(PAGE_BYTES);
        let address = map(memory, object, Part { offset: 0, bytes, address: 0, access })?;
        Ok(Mapping { memory: memory.clone(), address, bytes })
    }

    /// Copies from an offset. Others may write the memory meanwhile: every byte is read once.
    ///
    /// # Panics
    /// If the range does not lie in the mapping.
    pub fn copy(&self, offset: u64, to: &mut [u8]) {
        assert!(offset <= self.bytes && to.len() as u64 <= self.bytes - offset, "within the mapping");
        // SAFETY: the source lies in the mapping, which lasts; the destination is exclusively borrowed and elsewhere.
        unsafe { std::ptr::copy_nonoverlapping(self.pointer().add(offset as usize), to.as_mut_ptr(), to.len()) }
    }

    /// The whole of it.
    ///
    /// # Safety
    /// It was mapped writable, and nobody else uses the memory while the slice lives.
    pub unsafe fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: the mapping lasts as long as the borrow, and is exclusive, as the caller promises.
        unsafe { std::slice::from_raw_parts_mut(self.pointer().cast_mut(), self.bytes as usize) }
    }

    fn pointer(&self) -> *const u8 {
        std::ptr::with_exposed_provenance(self.address as usize)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let mut request = self.memory.unmap_request();
        let mut parameters = request.get();
        parameters.set_address(self.address);
        parameters.set_bytes(self.bytes);
        // It is mapped, so that it can be unmapped.
        let _ = request.call();
    }
}

/// A part of an object and the place to map it at; address 0 is any.
pub struct Part {
    /// Byte offset in the object.
    pub offset: u64,
    /// Bytes.
    pub bytes: u64,
    /// Where to.
    pub address: u64,
    /// What may be done with it.
    pub access: Access,
}

/// Maps a part of an object into an address space; returns where.
pub fn map(memory: &virtual_memory::Client, object: memory_reader::Client, part: Part) -> Result<u64, Error> {
    let mut request = memory.map_request();
    let mut parameters = request.get();
    parameters.set_object(object);
    parameters.set_offset(part.offset);
    parameters.set_bytes(part.bytes);
    parameters.set_address(part.address);
    parameters.set_access(part.access);
    Ok(request.call()?.get()?.get_address())
}

/// Backs addresses with zeroed memory, at `address` or, if that is 0, anywhere, behind `guard_bytes` that cannot be
/// accessed; returns where the memory starts.
pub fn zeroed(memory: &virtual_memory::Client, address: u64, guard_bytes: u64, bytes: u64) -> Result<u64, Error> {
    let mut request = memory.commit_request();
    let mut parameters = request.get();
    parameters.set_address(address);
    parameters.set_guard_bytes(guard_bytes);
    parameters.set_bytes(bytes);
    parameters.set_access(Access::ReadWrite);
    Ok(request.call()?.get()?.get_address())
}

/// Words that one call writes: they fit into an ordinary request.
const WRITTEN_WORDS: usize = 256;

/// Writes bytes into an address space that may be another one. Where they do not begin or end with a word of memory, the rest of
/// that becomes zero.
pub fn write(memory: &virtual_memory::Client, address: u64, bytes: &[u8]) -> Result<(), Error> {
    if bytes.is_empty() {
        return Ok(());
    }
    let first = address & !7;
    let mut padded = vec![0; (address - first) as usize];
    padded.extend(bytes);
    padded.resize(padded.len().next_multiple_of(8), 0);
    let (words, _) = padded.as_chunks();
    for (part, at) in words.chunks(WRITTEN_WORDS).zip((first..).step_by(WRITTEN_WORDS * 8)) {
        let mut request = memory.write_request();
        request.get().set_address(at);
        let mut list = request.get().init_words(part.len() as u32);
        (0..).zip(part).for_each(|(index, word)| list.set(index, u64::from_le_bytes(*word)));
        request.call()?;
    }
    Ok(())
}
