//! The kernel's trace: read out of a machine's memory, drawn as a timeline.

mod memory;
mod timeline;

pub use memory::{Trace, read};
pub use timeline::timeline;
