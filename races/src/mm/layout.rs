//! The direct map: memory lies where it is.

/// Where a physical address is mapped.
pub fn direct(physical: u64) -> u64 {
    physical
}
