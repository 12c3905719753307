//! The console's core, from bytes to lines and back. Read `terminal.rs` first.
#![forbid(unsafe_code)]

pub mod keys;
pub mod line;
pub mod screen;
pub mod terminal;
