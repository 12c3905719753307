//! What the service knows and counts, without asking anybody: that is `main.rs`.
#![forbid(unsafe_code)]

pub mod facts;
