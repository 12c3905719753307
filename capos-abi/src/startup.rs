//! The startup block: what a spawner leaves in memory for a new process's main thread.
//!
//! Its address is the main thread's `argument`. [`StartupBlock`] is followed by `cap_count` [`CapSetEntry`]s, then by the
//! arguments: UTF-8 strings, each ended by a zero byte.

use core::mem::size_of;

/// `StartupBlock::magic`: "capstart".
pub const MAGIC: u64 = u64::from_le_bytes(*b"capstart");
/// Version of this layout.
pub const VERSION: u32 = 1;
/// Bytes of a capability's name in the CapSet.
pub const NAME_BYTES: usize = 48;

/// Head of the startup block.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct StartupBlock {
    /// [`MAGIC`].
    pub magic: u64,
    /// [`VERSION`].
    pub version: u32,
    /// Number of [`CapSetEntry`]s behind this structure.
    pub cap_count: u32,
    /// Number of argument strings behind the CapSet.
    pub argument_count: u32,
    /// Bytes of all argument strings, their zero bytes included.
    pub argument_bytes: u32,
    /// Address of the initial image of thread-local storage (PT_TLS), for threads that this process makes.
    pub tls_image: u64,
    /// Bytes of that image.
    pub tls_image_bytes: u64,
    /// Bytes of thread-local storage, zeroed tail included.
    pub tls_bytes: u64,
    /// Alignment of thread-local storage in bytes.
    pub tls_alignment: u64,
    /// First address of the main thread's stack.
    pub stack_base: u64,
    /// Bytes of that stack.
    pub stack_bytes: u64,
}

const _: () = assert!(size_of::<StartupBlock>() == 72);

/// A named capability.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CapSetEntry {
    /// The process's handle.
    pub handle: u64,
    /// Interface granted.
    pub interface: u64,
    /// Name of the slot, padded with zero bytes.
    pub name: [u8; NAME_BYTES],
}

const _: () = assert!(size_of::<CapSetEntry>() == 64);

/// Names that every process finds in its CapSet.
pub mod slot {
    /// The process itself (`Process`).
    pub const PROCESS: &str = "process";
    /// The ledger that pays for it (`Ledger`).
    pub const LEDGER: &str = "ledger";
    /// Its address space (`VirtualMemory`).
    pub const MEMORY: &str = "memory";
    /// Its main thread (`Thread`).
    pub const THREAD: &str = "thread";
    /// Its handle table (`HandleManager`).
    pub const HANDLES: &str = "handles";
}
