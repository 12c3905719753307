//! What firmware says of the machine, read without touching the machine: plain bytes in, plain values out.
//!
//! Firmware lies. Whatever is not exactly as its specification has it is not there.

pub mod clock;
pub mod date;
pub mod dmar;
pub mod firmware;
pub mod hpet;
pub mod local_apic;
mod madt;
pub mod mcfg;
pub mod mp;
pub mod sleep;
pub mod spcr;
pub mod tables;
pub mod virtio;
