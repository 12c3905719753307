//! The ways into the kernel. Each ends in [`crate::start`] with a `BootInfo`.

pub mod command_line;
mod limine;
mod memory_map;
mod pvh;
mod slide;
