//! ACPI byte code, searched for the sleep types of soft-off; the checksum is mended, as random blocks have a wrong one.

/// Searches a whole definition block.
pub fn run(block: &[u8]) {
    let sum = block.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    let mut block = block.to_vec();
    block.push(sum.wrapping_neg());
    if let Some(types) = kernel_core::machine::sleep::soft_off(&block) {
        assert!(types.iter().all(|kind| *kind < 8), "a sleep type has three bits");
    }
}
