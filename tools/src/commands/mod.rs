//! The subcommands of `capos`.

pub mod check;
pub mod package;
pub mod run;
