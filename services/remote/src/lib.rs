//! A serial line as the transport of capnp-rpc.
#![forbid(unsafe_code)]

pub mod line;
