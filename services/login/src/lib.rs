//! The conversation at the door, without terminal or messages: those are `main.rs`. Read `dialogue.rs` first.
#![forbid(unsafe_code)]

pub mod dialogue;
