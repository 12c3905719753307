//! The system-test harness: boot a machine, talk to its serial line, see how it ends.
//!
//! ```no_run
//! use tests::Machine;
//!
//! let mut machine = Machine::new().memory(256).cpus(2).boot();
//! machine.expect("login: ");
//! machine.send("operator\n");
//! # machine.power_off();
//! ```
//! Completion is always an explicit message: silence, a reset, a hang and a panic of the guest all fail the test, and the
//! failure shows the command line, the last serial lines and where the whole log lies. Nothing here depends on how fast
//! the host is; [`machine::patience`] only ends a machine that hangs. Read [`machine`] first, then [`running`], [`serial`].

mod campaign;
mod debugger;
pub mod handover;
mod host;
pub mod machine;
pub mod page_tables;
mod peer;
pub mod person;
pub mod processors;
pub mod report;
pub mod running;
pub mod screen;
pub mod serial;
pub mod transcript;

pub use campaign::{choose, seed};
pub use handover::Handover;
pub use machine::Machine;
pub use person::PASSWORD;
pub use running::Running;
pub use tools::qemu::Exit;
pub use transcript::Transcript;
