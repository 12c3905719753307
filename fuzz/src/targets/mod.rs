//! One file for each target; those of the kernel's core are in `kernel/core/src/fuzz.rs`, where they reach its parts.

pub mod acpi;
pub mod command;
pub mod description;
pub mod loader;
pub mod manifest;
pub mod memory_map;
pub mod message;
pub mod mp;
pub mod remote;
pub mod sleep;
pub mod spawn;
pub mod startup;
pub mod terminal;
pub mod virtio;
