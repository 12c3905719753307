//! The high precision event timer (IA-PC HPET specification 1.0a): where it is, and what its registers say.
use super::tables::{Flaw, field, is_physical};
use acpi::sdt::hpet::HpetInfo;
use acpi::{AcpiTables, Handler};

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
/// The counter has 64 bits.
const WIDE: u64 = 1 << 13;

/// The main counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Ticks in a second.
    pub hertz: u64,
    /// The bits that count; they are the low ones.
    pub mask: u64,
}

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

/// What the capabilities register says of the counter; `None`: nothing that the specification allows, as where no timer is.
pub fn counter(capabilities: u64) -> Option<Counter> {
    let period = capabilities >> 32;
    let mask = if capabilities & WIDE != 0 { u64::MAX } else { u64::from(u32::MAX) };
    (1..=MAX_PERIOD).contains(&period).then(|| Counter { hertz: FEMTOSECONDS / period, mask })
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn capabilities() {
        // QEMU's: 100 MHz, 64 bits, three timers.
        let wide = counter(10_000_000 << 32 | 0x8086_a201);
        assert_eq!(wide, Some(Counter { hertz: 100_000_000, mask: u64::MAX }));
        let usual = counter(69_841_279 << 32 | 0x8086_8201);
        assert_eq!(usual, Some(Counter { hertz: 14_318_179, mask: u64::from(u32::MAX) }));
        assert_eq!(counter(0), None);
        assert_eq!(counter(u64::MAX), None, "nothing is there");
    }
}
