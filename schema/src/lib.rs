//! Every interface of the system: what stock `capnpc` generates from `schema/`, and one table of all methods.
//!
//! `schema/kernel/ledger.capnp` becomes the module `ledger_capnp`, and so on; file stems are unique across folders.

include!(concat!(env!("OUT_DIR"), "/modules.rs"));

pub mod quota;
pub mod table;
