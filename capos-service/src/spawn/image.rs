//! The memory that a spawner fills for a new process: written data, the main thread's storage and the startup block.
//!
//! All of it is one memory object, in this order, each part on pages of its own.

use super::SpawnError;
use super::plan::Plan;
use capos_abi::PAGE_BYTES;
use capos_abi::startup::{CapSetEntry, MAGIC, NAME_BYTES, StartupBlock, VERSION};
use std::ops::Range;

/// Bytes of the control block at the thread pointer. Its first word points to itself.
const CONTROL_BYTES: u64 = 64;

/// Offsets in the memory object; multiples of the page size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// One range for each of `Plan::private`, maybe empty.
    pub data: Vec<Range<u64>>,
    /// Thread-local storage and control block.
    pub storage: Range<u64>,
    /// The startup block.
    pub startup: Range<u64>,
}

impl Layout {
    /// Lays the parts out; `startup_bytes` are those of [`Startup::bytes`].
    pub fn new(plan: &Plan, startup_bytes: u64) -> Layout {
        let mut end = 0;
        let mut take = |bytes: u64| {
            let start = end;
            end += bytes.next_multiple_of(PAGE_BYTES);
            start..end
        };
        let data = plan.private.iter().map(|part| take(part.filled_bytes)).collect();
        let storage = take(control_offset(plan) + CONTROL_BYTES);
        Layout { data, storage, startup: take(startup_bytes) }
    }

    /// Bytes of the memory object.
    pub fn bytes(&self) -> u64 {
        self.startup.end
    }
}

/// Bytes from the start of the storage's pages to the thread pointer.
pub fn control_offset(plan: &Plan) -> u64 {
    let alignment = plan.tls.alignment.max(CONTROL_BYTES);
    plan.tls.bytes.next_multiple_of(alignment)
}

/// Fills data and thread-local storage. `image` is the whole memory object, zeroed; `copy` copies from an offset in the
/// program file; `storage` is the address that the process has its storage at.
pub fn fill(image: &mut [u8], layout: &Layout, plan: &Plan, copy: impl Fn(u64, &mut [u8]), storage: u64) {
    for (range, part) in layout.data.iter().zip(&plan.private) {
        copy(part.content.start, part_of(image, range.start + part.content_offset, &part.content));
    }
    let control = control_offset(plan);
    let start = control - plan.tls.bytes.next_multiple_of(plan.tls.alignment.max(1));
    copy(plan.tls.image.start, part_of(image, layout.storage.start + start, &plan.tls.image));
    put(image, layout.storage.start + control, &(storage + control).to_le_bytes());
}

/// As many bytes at an offset of the image as `content` has.
fn part_of<'a>(image: &'a mut [u8], offset: u64, content: &Range<u64>) -> &'a mut [u8] {
    &mut image[offset as usize..][..(content.end - content.start) as usize]
}

/// Puts `bytes` at an offset of the image.
pub fn put(image: &mut [u8], offset: u64, bytes: &[u8]) {
    image[offset as usize..][..bytes.len()].copy_from_slice(bytes);
}

/// What the startup block says besides the program file's layout.
pub struct Startup<'a> {
    /// Arguments, the program's name first.
    pub arguments: &'a [String],
    /// Slot names, interfaces, and handles of the new process.
    pub capabilities: &'a [(String, u64, u64)],
    /// The main thread's stack.
    pub stack: Range<u64>,
}

impl Startup<'_> {
    /// The startup block.
    pub fn encode(&self, plan: &Plan) -> Result<Vec<u8>, SpawnError> {
        let arguments = argument_bytes(self.arguments)?;
        let words = [
            MAGIC,
            u64::from(VERSION) | (self.capabilities.len() as u64) << 32,
            self.arguments.len() as u64 | (arguments.len() as u64) << 32,
            plan.tls.address,
            plan.tls.image.end - plan.tls.image.start,
            plan.tls.bytes,
            plan.tls.alignment,
            self.stack.start,
            self.stack.end - self.stack.start,
        ];
        const { assert!(size_of::<StartupBlock>() == size_of::<[u64; 9]>()) };
        let mut bytes: Vec<u8> = words.into_iter().flat_map(u64::to_le_bytes).collect();
        for (name, interface, handle) in self.capabilities {
            bytes.extend(handle.to_le_bytes());
            bytes.extend(interface.to_le_bytes());
            bytes.extend(slot_name(name)?);
        }
        bytes.extend(arguments);
        Ok(bytes)
    }
}

/// Bytes of a startup block with so many capabilities.
pub fn startup_bytes(capabilities: usize, arguments: &[String]) -> Result<u64, SpawnError> {
    let fixed = size_of::<StartupBlock>() + capabilities * size_of::<CapSetEntry>();
    Ok((fixed + argument_bytes(arguments)?.len()) as u64)
}

fn argument_bytes(arguments: &[String]) -> Result<Vec<u8>, SpawnError> {
    let mut bytes = Vec::new();
    for argument in arguments {
        if argument.contains('\0') {
            return Err(SpawnError::BadArgument(argument.clone()));
        }
        bytes.extend(argument.as_bytes());
        bytes.push(0);
    }
    Ok(bytes)
}

fn slot_name(name: &str) -> Result<[u8; NAME_BYTES], SpawnError> {
    if name.is_empty() || name.len() >= NAME_BYTES || name.contains('\0') {
        return Err(SpawnError::BadSlotName(name.into()));
    }
    let mut bytes = [0; NAME_BYTES];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    Ok(bytes)
}
