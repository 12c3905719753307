//! The kernel's decisions, as one safe state machine.
//!
//! 1. **The interface is the permission.** A slot of a handle table holds an object and the interface granted; there are no
//!    other rights.
//! 2. **Decode, then invoke.** An entry is checked whole before anything changes; what has started cannot fail.
//! 3. **Everything is charged before it is used** to a ledger that the caller holds; what runs out is an error value.
//! 4. **A blocked operation is a record, never a stack.** The kernel runs each entry to its end.
//!
//! The kernel calls this very code under its lock, most of it alone, calls also beside other processors (`shared`); the host runs it over a [`Platform`] of plain vectors.
//! Read in this order: [`platform`], `heap`, `slab`, `ledger`, `authority`, `ipc`, `object`, `execution`, [`memory`], `lifecycle`, `shared`; the boot
//! needs [`machine`] and [`start`].
#![cfg_attr(not(any(test, feature = "fuzz")), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::panic))]
// Not `clippy::indexing_slicing`: it would refuse `slab[id]`, which names an object that something refers to. Arrays are indexed by
// numbers taken modulo their length, and `make check-panics` lists every place in the linked kernel that can panic.

extern crate alloc;

mod authority;
mod console;
mod execution;
#[cfg(all(feature = "fuzz", not(test)))]
#[expect(clippy::panic, reason = "a machine for tests")]
pub mod fuzz;
mod heap;
mod ipc;
mod kernel;
mod ledger;
mod lifecycle;
mod list;
pub mod log;
pub mod machine;
pub mod memory;
mod object;
pub mod platform;
pub mod random;
mod shared;
mod slab;
pub mod start;
mod table;

#[cfg(test)]
mod test;

pub use execution::schedule::Next;
pub use execution::trap::{Fault, FaultAccess, FaultKind};
pub use kernel::{Kernel, OutOfMemory};
pub use memory::page_table::PageTables;
pub use platform::Platform;
pub use shared::{Alone, SharedKernel};
pub use start::init::StartError;

/// Processors that the kernel can use.
pub const MAX_PROCESSORS: usize = 64;
/// Threads in the whole system.
pub const MAX_THREADS: u32 = 4096;
