//! The C functions that Rust's `std` calls on the target OS `hermit`, one file per group.
//!
//! Names, types and error numbers are those of the crate `hermit-abi`. A function answers a negative error number; a
//! capability that was not granted is `EACCES` or `EPERM`, which `std` shows as `PermissionDenied`.
#![allow(clippy::missing_safety_doc, reason = "the contracts are those of hermit-abi, and only std calls these")]

pub mod entropy;
mod error;
mod files;
mod futexes;
mod memory;
mod net;
mod process;
mod streams;
mod threads;
mod time;
