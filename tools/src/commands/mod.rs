//! The subcommands of `capos`.

pub mod package;
pub mod run;
