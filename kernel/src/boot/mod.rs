//! The ways into the kernel. Each ends in [`crate::start`] with a `BootInfo`.

mod limine;
mod memory_map;
mod pvh;
