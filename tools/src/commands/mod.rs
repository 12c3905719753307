//! The subcommands of `capos`.

pub mod run;
