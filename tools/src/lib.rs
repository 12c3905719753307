//! Host tools of capOS, as a library for `capos`, the tests and the benchmarks.
//!
//! [`artifacts`] says where the build puts things, [`qemu`] how a machine is started.

pub mod artifacts;
pub mod qemu;
