//! A QEMU machine: its command line, its start and its end. `capos run`, the tests and the benchmarks share it.

mod command;
mod exit;
mod firmware;
mod qmp;

pub use command::Qemu;
pub use exit::Exit;
pub use firmware::{Medium, uefi};
pub use qmp::Qmp;
