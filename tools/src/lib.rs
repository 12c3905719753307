//! Host tools of capOS, as a library for `capos`, the tests and the benchmarks.
//!
//! [`artifacts`] says where the build puts things, [`backtrace`] what addresses mean, [`boot_time`] reads how long a boot took, [`check`] keeps rules of the tree,
//! [`manifest`] compiles a system description, [`package`] makes a boot package of it, [`image`] a bootable disk of both,
//! [`qemu`] starts a machine, [`gdb`] follows it, [`symbols`] says where what runs in it lies, [`trace`] draws what its processors did.

pub mod artifacts;
pub mod backtrace;
pub mod boot_time;
pub mod check;
pub mod gdb;
pub mod image;
pub mod manifest;
pub mod package;
pub mod qemu;
pub mod symbols;
pub mod trace;
