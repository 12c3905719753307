//! The processor and the interrupt controllers.

pub mod apic;
mod calibration;
pub mod clock;
pub mod cmos;
pub mod context;
pub mod cpu;
pub mod features;
pub mod idt;
pub mod io_apic;
pub mod machine_check;
pub mod random;
pub mod reference;
pub mod smp;
pub mod stamps;
pub mod user;
pub mod vector;
pub mod vector_state;
