//! The driver's core, independent of where its registers are reached: read `uart.rs` first.
#![forbid(unsafe_code)]

pub mod buffers;
pub mod registers;
pub mod uart;
