//! The operator's account, without clock, entropy or messages: those are `main.rs`. Read `store.rs` first.
#![forbid(unsafe_code)]

pub mod backoff;
pub mod password;
pub mod store;
