//! The subcommands of `capos`.

pub mod check;
pub mod graph;
pub mod image;
pub mod package;
pub mod run;
pub mod trace;
