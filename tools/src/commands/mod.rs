//! The subcommands of `capos`.

pub mod boot_time;
pub mod check;
pub mod fuzz;
pub mod graph;
pub mod image;
pub mod package;
pub mod run;
pub mod trace;
