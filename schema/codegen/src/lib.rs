//! Build-time generators that read the schema files through the stock `capnp` compiler.
//!
//! [`kernel`] makes the constants of kernel interfaces (crate `capos-abi`), [`table`] the method table (crate `schema`).
//! A schema outside of what the kernel can read is refused here, at build time, by a panic that names the field.

pub mod kernel;
pub mod names;
mod request;
pub mod table;

pub use request::{Request, schema_files, short_name};
