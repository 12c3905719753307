//! The shell's core, from a command line to calls and back. Read `session.rs` first.
#![forbid(unsafe_code)]

pub mod arguments;
pub mod call;
pub mod commands;
pub mod complete;
pub mod held;
pub mod history;
pub mod host;
pub mod run;
pub mod session;
pub mod show;
pub mod signature;
pub mod syntax;
