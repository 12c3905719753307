//! The machine's memory, the boot package, and the first process from it.
pub(crate) mod elf;
mod grants;
pub(crate) mod init;
pub mod memory;
pub mod package;
