//! Messages that do not fit into the ring: they travel in memory that is sealed, so that its receiver can read it in place.
//!
//! The sender copies the message into new memory, unmaps and seals it, and moves it with the call or the answer. The kernel
//! vouches for the seal; the receiver maps the memory until the message is dropped.
use crate::call::copy_to;
use crate::errors;
use crate::hooks::builder::MessageBuilder;
use crate::hooks::reach;
use crate::hooks::transfer::{self, Descriptors};
use crate::raw::{self, Failure, Message, call};
use crate::startup::{ledger, memory};
use alloc::format;
use capnp::private::layout::CapTable;
use capnp::{Error, Result};
use capos_abi::PAGE_BYTES;
use capos_abi::handle::{Handle, NULL};
use capos_abi::interface::{ledger as ledger_abi, memory_object, virtual_memory};
use capos_abi::message::{CapDescriptor, mode};
use core::ptr::with_exposed_provenance_mut;

/// Bytes of the longest message that is sent through the ring: what an endpoint accepts unless its maker asked for something
/// else.
pub const INLINE_BYTES: u32 = 4096;

/// A message in sealed memory, ready to be sent.
pub struct Packed {
    memory: Handle,
    bytes: u32,
    descriptors: Descriptors,
}

impl Packed {
    /// Moves a message into memory of its own.
    #[cold]
    pub fn new(message: &mut MessageBuilder, caps: &mut CapTable) -> Result<Self> {
        let words = message.total_words();
        let memory = create(u64::from(words) * 8).map_err(errors::from_failure)?;
        let mut packed = Self { memory, bytes: 0, descriptors: Descriptors::default() };
        packed.descriptors.push(CapDescriptor { handle: memory, mode: mode::MOVE })?;
        let mapped = Mapped::new(memory, u64::from(words) * 8, virtual_memory::access::READ_WRITE)?;
        let mut whole = MessageBuilder::new();
        // SAFETY: so many words were just mapped for this message alone.
        unsafe { whole.start(mapped.words().cast_mut(), words) };
        copy_to(message, caps, &mut whole)?;
        let descriptors = &mut packed.descriptors;
        reach::capabilities(whole.segment_mut(), &mut |index| {
            descriptors.push(transfer::descriptor_of(caps.get(index as usize).and_then(Option::as_deref))?)?;
            Ok(descriptors.as_slice().len() as u32 - 2)
        })?;
        packed.bytes = whole.words() * 8;
        drop(mapped);
        seal(memory).map_err(errors::from_failure)?;
        Ok(packed)
    }

    /// Writes what travels through the ring, the descriptors and the segment's length, to `base`; capabilities and bytes.
    ///
    /// # Safety
    /// [`Packed::MAX_BYTES`] at `base` belong to the caller.
    pub unsafe fn write(&self, base: *mut u64) -> (u8, u32) {
        let descriptors = self.descriptors.as_slice();
        for (index, &descriptor) in descriptors.iter().enumerate() {
            // SAFETY: promised by the caller.
            unsafe { base.cast::<CapDescriptor>().add(index).write(descriptor) };
        }
        // SAFETY: as above.
        unsafe { base.cast::<CapDescriptor>().add(descriptors.len()).cast::<u64>().write(self.bytes.into()) };
        (descriptors.len() as u8, descriptors.len() as u32 * size_of::<CapDescriptor>() as u32 + 8)
    }

    /// Bytes of the message.
    pub fn bytes(&self) -> u32 {
        self.bytes
    }

    /// Gives up the memory's handle, which [`release`] is to be called for when the message has left or was refused.
    pub fn into_memory(self) -> Handle {
        let memory = self.memory;
        core::mem::forget(self);
        memory
    }
}

impl Drop for Packed {
    fn drop(&mut self) {
        release(self.memory);
    }
}

/// Gives up memory that was moved away, or was not: of a handle that has left, the release is refused as stale, which nobody
/// sees.
pub fn release(memory: Handle) {
    if memory != NULL {
        raw::release(memory);
    }
}

/// A received message in sealed memory.
pub struct Received {
    mapped: Mapped,
    words: u32,
}

impl Received {
    /// Maps the memory of a message of `bytes`, as its sender says, and holds it.
    #[cold]
    pub fn new(memory: Handle, bytes: u64) -> Result<Self> {
        let held = Held(memory);
        let words = u32::try_from(bytes / 8).ok().filter(|words| *words > 0 && bytes.is_multiple_of(8));
        let words = words.ok_or_else(|| Error::failed(format!("a large message cannot have {bytes} bytes")))?;
        let mapped = Mapped::new(memory, bytes, virtual_memory::access::READ)?;
        // Whatever becomes of the sender and its ledger, these pages stay.
        mapped.hold()?;
        core::mem::forget(held);
        Ok(Self { mapped, words })
    }

    /// The message's first word.
    pub fn base(&self) -> *const u64 {
        self.mapped.words()
    }

    /// Its length.
    pub fn words(&self) -> u32 {
        self.words
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        self.mapped.unmap();
        release(self.mapped.memory);
    }
}

/// Memory to be released.
struct Held(Handle);

impl Drop for Held {
    fn drop(&mut self) {
        release(self.0);
    }
}

/// Memory mapped into this process.
struct Mapped {
    memory: Handle,
    address: u64,
    bytes: u64,
}

impl Mapped {
    fn new(object: Handle, bytes: u64, access: u16) -> Result<Self> {
        use virtual_memory::{ID, map::*};
        let bytes = bytes.next_multiple_of(PAGE_BYTES);
        let message = Message::new(params::SHAPE)
            .set_capability(params::OBJECT, object)
            .set(params::BYTES, bytes)
            .set(params::ACCESS, access.into());
        let reply = call(memory(), ID, METHOD, &message, 0).map_err(errors::from_failure)?;
        Ok(Self { memory: object, address: reply.get(results::ADDRESS), bytes })
    }

    fn words(&self) -> *const u64 {
        with_exposed_provenance_mut::<u64>(self.address as usize).cast_const()
    }

    fn hold(&self) -> Result<()> {
        use virtual_memory::{ID, hold::*};
        let message = Message::new(params::SHAPE).set(params::ADDRESS, self.address).set(params::BYTES, self.bytes);
        call(memory(), ID, METHOD, &message, 0).map(drop).map_err(errors::from_failure)
    }

    fn unmap(&mut self) {
        use virtual_memory::{ID, unmap::*};
        let bytes = core::mem::take(&mut self.bytes);
        if bytes > 0 {
            let message = Message::new(params::SHAPE).set(params::ADDRESS, self.address).set(params::BYTES, bytes);
            // It is mapped, so that it can be unmapped.
            let _ = call(memory(), ID, METHOD, &message, 0);
        }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        self.unmap();
    }
}

fn create(bytes: u64) -> core::result::Result<Handle, Failure> {
    use ledger_abi::{ID, create_memory_object::*};
    let message = Message::new(params::SHAPE).set(params::BYTES, bytes);
    call(ledger(), ID, METHOD, &message, 1).map(|reply| reply.capability(results::MEMORY))
}

fn seal(object: Handle) -> core::result::Result<(), Failure> {
    use memory_object::{ID, seal::*};
    call(object, ID, METHOD, &Message::new(params::SHAPE), 0).map(drop)
}
