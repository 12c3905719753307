//! The high precision event timer (IA-PC HPET specification 1.0a): where it is, and what its registers say.
use super::tables::{Flaw, field, is_physical};
use acpi::sdt::hpet::HpetInfo;
use acpi::{AcpiTables, Handler};
use core::num::NonZeroU64;

/// What the table starts with.
pub const NAME: [u8; 4] = *b"HPET";
/// Bytes of the table.
pub const TABLE_BYTES: u32 = 56;
/// Bytes of the timer's registers.
pub const REGISTER_BYTES: u64 = 1 << 10;
/// Where the table says in what address space the registers lie, and at which address.
const SPACE: usize = 40;
const ADDRESS: usize = 44;
/// The address space of memory.
const MEMORY: u64 = 0;
/// The longest period of the counter that the specification allows, and the unit of periods, in femtoseconds.
const MAX_PERIOD: u64 = 100_000_000;
const FEMTOSECONDS: u64 = 1_000_000_000_000_000;
/// Checks that the registers lie in memory, aligned for reading.
pub fn check(table: &[u8]) -> Result<(), Flaw> {
    let address = field(table, ADDRESS, 8);
    match field(table, SPACE, 1) {
        MEMORY if address.is_multiple_of(8) && is_physical(address, REGISTER_BYTES) => Ok(()),
        MEMORY => Err(Flaw::Field(ADDRESS)),
        _ => Err(Flaw::Field(SPACE)),
    }
}

/// Physical address of the registers, from a checked table.
pub fn read(tables: &AcpiTables<impl Handler>) -> Option<u64> {
    HpetInfo::new(tables).ok().map(|info| info.base_address as u64)
}

/// Ticks of the main counter in a second, as the capabilities register says; `None`: nothing that the specification allows, as where
/// no timer is.
pub fn hertz(capabilities: u64) -> Option<NonZeroU64> {
    let period = capabilities >> 32;
    let hertz = FEMTOSECONDS.checked_div(period).filter(|_| period <= MAX_PERIOD)?;
    NonZeroU64::new(hertz)
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn capabilities() {
        let hertz = |capabilities| hertz(capabilities).map(NonZeroU64::get);
        assert_eq!(hertz(10_000_000 << 32 | 0x8086_a201), Some(100_000_000), "QEMU's");
        assert_eq!(hertz(69_841_279 << 32 | 0x8086_8201), Some(14_318_179), "usual on mainboards");
        assert_eq!(hertz(100_000_000 << 32), Some(10_000_000), "the slowest");
        assert_eq!(hertz(100_000_001 << 32), None);
        assert_eq!(hertz(0), None);
        assert_eq!(hertz(u64::MAX), None, "nothing is there");
    }
}
