//! What a spawner writes into the memory of a new process: data, the main thread's storage and the startup block.
//!
//! The main thread's memory lies behind a guard page: its stack, its thread-local storage with the control block, the startup block.

use super::SpawnError;
use super::plan::{Plan, Private};
use capos_abi::PAGE_BYTES;
use capos_abi::startup::{CapSetEntry, MAGIC, NAME_BYTES, StartupBlock, VERSION};
use std::borrow::Cow;
use std::ops::Range;

/// Bytes of the control block at the thread pointer. Its first word points to itself.
const CONTROL_BYTES: u64 = 64;

/// Where the parts of the main thread's memory lie, from its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Bytes of the stack, which comes first.
    pub stack_bytes: u64,
    /// Offset of the initial image of thread-local storage.
    pub storage: u64,
    /// Offset of the control block, which the thread pointer points to.
    pub control: u64,
    /// Offset of the startup block.
    pub startup: u64,
    /// Bytes of it all.
    pub bytes: u64,
}

impl Layout {
    /// Lays the parts out behind a stack of whole pages; `startup_bytes` are those of [`startup_bytes`].
    pub fn new(plan: &Plan, stack_bytes: u64, startup_bytes: u64) -> Layout {
        let alignment = plan.tls.alignment.max(CONTROL_BYTES);
        let control = stack_bytes + plan.tls.bytes.next_multiple_of(alignment);
        let storage = control - plan.tls.bytes.next_multiple_of(plan.tls.alignment.max(1));
        let startup = control + CONTROL_BYTES;
        Layout { stack_bytes, storage, control, startup, bytes: (startup + startup_bytes).next_multiple_of(PAGE_BYTES) }
    }
}

/// Bytes, and the address that they go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where to.
    pub address: u64,
    /// What.
    pub bytes: Vec<u8>,
}

impl Piece {
    /// Written data of an instance; `copy` copies from an offset in the program file.
    pub fn data(part: &Private, copy: impl Fn(u64, &mut [u8])) -> Piece {
        Piece { address: part.address + part.content_offset, bytes: read(&part.content, copy) }
    }

    /// The initial image of thread-local storage, in memory that starts at `start`.
    pub fn storage(plan: &Plan, layout: &Layout, start: u64, copy: impl Fn(u64, &mut [u8])) -> Piece {
        Piece { address: start + layout.storage, bytes: read(&plan.tls.image, copy) }
    }

    /// The control block and the startup block behind it, in memory that starts at `start`.
    pub fn startup(layout: &Layout, start: u64, block: &[u8]) -> Piece {
        let address = start + layout.control;
        let mut bytes = address.to_le_bytes().to_vec();
        bytes.resize(CONTROL_BYTES as usize, 0);
        bytes.extend(block);
        Piece { address, bytes }
    }
}

/// A range of the program file.
fn read(range: &Range<u64>, copy: impl Fn(u64, &mut [u8])) -> Vec<u8> {
    let mut bytes = vec![0; (range.end - range.start) as usize];
    copy(range.start, &mut bytes);
    bytes
}

/// What a new process holds.
pub struct Granted {
    /// Name of its slot.
    pub slot: Cow<'static, str>,
    /// Interface that it was granted with.
    pub interface: u64,
    /// The process's handle of it.
    pub handle: u64,
}

/// What the startup block says besides the program file's layout.
pub struct Startup<'a> {
    /// Arguments, the program's name first.
    pub arguments: &'a [String],
    /// What the new process holds.
    pub capabilities: &'a [Granted],
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
        for granted in self.capabilities {
            bytes.extend(granted.handle.to_le_bytes());
            bytes.extend(granted.interface.to_le_bytes());
            bytes.extend(slot_name(&granted.slot)?);
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
