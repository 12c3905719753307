//! The ABI of capOS: layout shared by kernel, runtime, boot and tools. Data only.
//!
//! Every structure is `repr(C)` with public fields, no padding, no references, no `bool` and no enum that
//! the other side could send wrong. All integers are little-endian. Sizes are asserted beside each type.
//! Read in this order: [`ring`], [`message`], [`handle`], [`status`], [`startup`], [`boot`], [`package`], [`trace`].
#![no_std]
#![forbid(unsafe_code)]

pub mod boot;
pub mod debug_exit;
pub mod handle;
pub mod layout;
pub mod limine;
pub mod message;
pub mod package;
pub mod ring;
pub mod startup;
pub mod status;
pub mod syscall;
pub mod trace;

/// Interface ids, method numbers and message offsets of the kernel's interfaces, generated from `schema/kernel`.
pub mod interface {
    include!(concat!(env!("OUT_DIR"), "/interface.rs"));
}

/// Bytes of one page frame.
pub const PAGE_BYTES: u64 = 4096;
