//! The user runtime of capOS.
//!
//! Three layers, each usable without those behind it:
//! 1. [`syscall`], [`ring`], [`raw`]: the thread's ring and blocking calls without heap; what stands below `std` is made of these.
//! 2. [`executor`], [`hooks`]: many waiters on one ring, and capnp's clients and servers over it.
//! 3. The C functions that Rust's `std` calls.
#![no_std]
#![feature(thread_local)]

extern crate alloc;

pub mod arena;
pub mod blocks;
pub mod call;
pub mod call_failure;
pub mod errors;
pub mod executor;
pub mod exhausted;
pub mod fifo;
pub mod handles;
pub mod hooks;
pub mod incoming;
mod large;
pub mod load;
pub mod object;
pub mod objects;
pub mod pool;
pub mod raw;
pub mod receiver;
pub mod ring;
pub mod runtime;
pub mod slab;
#[cfg_attr(target_os = "hermit", path = "syscall.rs")]
#[cfg_attr(not(target_os = "hermit"), path = "syscall_host.rs")]
pub mod syscall;
pub mod wait;

#[cfg(target_os = "hermit")]
pub mod futex;
#[cfg(target_os = "hermit")]
pub mod heap;
#[cfg(target_os = "hermit")]
mod hermit;
#[cfg(target_os = "hermit")]
pub mod lock;
#[cfg(target_os = "hermit")]
pub mod panic;
#[cfg(target_os = "hermit")]
mod start;
pub mod startup;
#[cfg(target_os = "hermit")]
pub mod stdio;
#[cfg(target_os = "hermit")]
pub mod thread;
#[cfg(target_os = "hermit")]
mod tls;
