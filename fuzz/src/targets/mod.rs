//! One file for each target.

pub mod acpi;
