//! Capabilities on their way: from capnp's table to descriptors, and from received handles to capnp's table.
use super::builder::MessageBuilder;
use super::capability;
use super::{LOCAL_BRAND, MOVING_BRAND, PROMISE_BRAND, RING_BRAND, foreign, local, reach};
use crate::arena::Range;
use crate::call::{HEAD_BYTES, USUAL_DESCRIPTORS};
use crate::object;
use crate::ring::{self, Ring};
use alloc::boxed::Box;
use alloc::format;
use capnp::capability::Promise;
use capnp::private::capability::ClientHook;
use capnp::private::layout::CapTable;
use capnp::{Error, Result};
use capos_abi::handle::{Handle, NULL};
use capos_abi::message::{CapDescriptor, MAX_CAPS, mode};

const DESCRIPTOR_BYTES: u32 = size_of::<CapDescriptor>() as u32;

/// Where a message lies that is ready to be sent.
pub struct Outgoing {
    /// Capabilities.
    pub caps: u8,
    /// Offset of the first descriptor, as entries name it.
    pub offset: u32,
    /// Bytes of descriptors and segment.
    pub bytes: u32,
}

/// Makes the capabilities of a message ready to be sent: what stands for promises that are kept, and for capabilities of another
/// transport, takes their place. If one is still promised, gives what to wait for before this is tried again.
#[inline(never)]
pub fn prepare(message: &mut MessageBuilder, table: &mut CapTable) -> Option<Promise<(), Error>> {
    let mut waits = false;
    for hook in table.iter_mut().flatten() {
        while is_promise(&**hook)
            && let Some(resolved) = hook.get_resolved()
        {
            *hook = resolved;
        }
        match hook.get_brand() {
            RING_BRAND | MOVING_BRAND | LOCAL_BRAND => {}
            PROMISE_BRAND => waits = true,
            _ => *hook = foreign::stand_in(&**hook),
        }
    }
    if waits { Some(first_promise(message, table)?.when_resolved()) } else { None }
}

fn is_promise(hook: &dyn ClientHook) -> bool {
    hook.get_brand() == PROMISE_BRAND
}

/// A promise that the message carries. A field that was set twice leaves one in the table that it does not carry; only in a
/// message of several pieces that counts, too.
#[cold]
fn first_promise<'a>(message: &mut MessageBuilder, table: &'a CapTable) -> Option<&'a dyn ClientHook> {
    let promises = table.iter().map(|hook| hook.as_deref().filter(|hook| is_promise(*hook)));
    if message.has_spilled() {
        return promises.flatten().next();
    }
    let mut first = None;
    // What is wrong with the message is found when it is sent.
    let _ = reach::capabilities(message.segment_mut(), &mut |index| {
        first = first.or_else(|| promises.clone().nth(index as usize).flatten());
        Ok(index)
    });
    first
}

/// Writes the descriptors of the capabilities that the message contains in front of it.
///
/// The message is one segment that starts behind the head of `range`.
#[inline(always)]
pub fn describe(message: &mut MessageBuilder, table: &CapTable, range: Range) -> Result<Outgoing> {
    if !table.is_empty() {
        return describe_caps(message, table, range);
    }
    Ok(Outgoing { caps: 0, offset: Ring::message_offset(range) + HEAD_BYTES, bytes: message.words() * 8 })
}

/// The descriptors of a message.
#[derive(Default)]
pub struct Descriptors {
    all: [CapDescriptor; MAX_CAPS],
    count: usize,
}

impl Descriptors {
    /// Adds one; refused if the message carries too many.
    pub fn push(&mut self, descriptor: CapDescriptor) -> Result<()> {
        *self.all.get_mut(self.count).ok_or_else(too_many)? = descriptor;
        self.count += 1;
        Ok(())
    }

    /// All of them.
    pub fn as_slice(&self) -> &[CapDescriptor] {
        &self.all[..self.count]
    }
}

#[inline(never)]
fn describe_caps(message: &mut MessageBuilder, table: &CapTable, range: Range) -> Result<Outgoing> {
    let mut descriptors = Descriptors::default();
    reach::capabilities(message.segment_mut(), &mut |index| {
        descriptors.push(descriptor_of(table.get(index as usize).and_then(Option::as_deref))?)?;
        Ok(descriptors.count as u32 - 1)
    })?;
    let descriptors = descriptors.as_slice();
    let (count, segment_bytes) = (descriptors.len() as u32, message.words() * 8);
    let start = HEAD_BYTES.saturating_sub(count * DESCRIPTOR_BYTES);
    let base = ring::with(|ring| ring.message(range)).wrapping_byte_add(start as usize);
    if count > USUAL_DESCRIPTORS {
        shift(message, count * DESCRIPTOR_BYTES - HEAD_BYTES, range)?;
    }
    for (index, &descriptor) in descriptors.iter().enumerate() {
        // SAFETY: the descriptors lie in the range, in front of the segment.
        unsafe { base.cast::<CapDescriptor>().add(index).write(descriptor) };
    }
    let bytes = count * DESCRIPTOR_BYTES + segment_bytes;
    Ok(Outgoing { caps: count as u8, offset: Ring::message_offset(range) + start, bytes })
}

/// Moves a segment up in its range. Pointers in it are relative, so they stay right.
fn shift(message: &mut MessageBuilder, bytes: u32, range: Range) -> Result<()> {
    if HEAD_BYTES + bytes + message.words() * 8 > range.bytes {
        return Err(Error::overloaded("the message leaves no room for its capabilities".into()));
    }
    let words = message.segment_mut();
    // SAFETY: source and target lie in the range (checked above), which belongs to this message.
    unsafe { words.as_mut_ptr().byte_add(bytes as usize).copy_from(words.as_ptr(), words.len()) };
    Ok(())
}

#[cold]
fn too_many() -> Error {
    Error::failed(format!("the message carries more than {MAX_CAPS} capabilities"))
}

/// The descriptor that stands for a capability in a message; [`prepare`] was here before.
pub fn descriptor_of(hook: Option<&dyn ClientHook>) -> Result<CapDescriptor> {
    let Some(hook) = hook else { return Ok(CapDescriptor::default()) };
    let (handle, mode) = match hook.get_brand() {
        RING_BRAND => (hook.get_ptr() as Handle, mode::COPY),
        MOVING_BRAND => (hook.get_ptr() as Handle, mode::MOVE),
        LOCAL_BRAND => (local::origin(hook.get_ptr() as u32)?, mode::COPY),
        _ => return Err(Error::failed("this capability cannot be sent".into())),
    };
    Ok(CapDescriptor { handle, mode })
}

/// Reads received handles into a capability table, which then holds them. With `own` there are objects of this process among
/// them: those of this thread are recognised.
///
/// # Safety
/// `base` points at `count` handles that the kernel has just given to this process.
#[inline(never)]
pub unsafe fn receive(base: *const u64, count: usize, own: bool, table: &mut CapTable) {
    for index in 0..count {
        // SAFETY: promised by the caller.
        let handle = unsafe { base.add(index).read() };
        table.push((handle != NULL).then(|| if own { recognise(handle) } else { capability::adopt(handle) }));
    }
}

/// The object of this thread that a handle stands for, which is not needed then; else the handle.
#[cold]
fn recognise(handle: Handle) -> Box<dyn ClientHook> {
    let adopted = capability::adopt(handle);
    object::recognise(handle).map_or(adopted, local::stand_for)
}
