//! Where the configuration space of PCI Express devices lies in memory (ECAM), by the table MCFG of the PCI Firmware Specification.
use super::tables::{Flaw, field, is_physical};
use acpi::sdt::mcfg::Mcfg;
use acpi::{AcpiTables, Handler};
use alloc::vec::Vec;
use core::fmt;

/// What the table starts with.
pub const NAME: [u8; 4] = *b"MCFG";
/// Bytes before the first entry.
pub const FIXED_BYTES: u32 = 44;
const ENTRY_BYTES: usize = 16;
/// Bytes of a bus: 32 devices of 8 functions of 4 KiB.
const BUS_BYTES: u64 = 1 << 20;

/// The configuration space of a range of buses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigWindow {
    /// Physical address where bus 0 of the segment is, or would be: the first bus lies as many MiB behind it as its number says.
    pub base: u64,
    /// Number of the segment of buses.
    pub segment: u16,
    /// The first bus.
    pub first_bus: u8,
    /// The last bus.
    pub last_bus: u8,
}

impl fmt::Display for ConfigWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { base, segment, first_bus, last_bus } = self;
        write!(f, "PCI configuration space of segment {segment} at {base:#x}, buses {first_bus} to {last_bus}")
    }
}

/// Checks that each entry names buses in order, at addresses that exist. What is left behind whole entries counts for nothing: some
/// firmware gives a length that is no multiple.
pub fn check(table: &[u8]) -> Result<(), Flaw> {
    let entries = table.get(FIXED_BYTES as usize..).unwrap_or_default().chunks_exact(ENTRY_BYTES);
    for (index, entry) in entries.enumerate() {
        let (base, first, last) = (field(entry, 0, 8), field(entry, 10, 1), field(entry, 11, 1));
        let sound = first <= last && base.is_multiple_of(BUS_BYTES) && is_physical(base, (last + 1) * BUS_BYTES);
        if !sound {
            return Err(Flaw::Field(FIXED_BYTES as usize + index * ENTRY_BYTES));
        }
    }
    Ok(())
}

/// The windows that a checked table lists.
pub fn read(tables: &AcpiTables<impl Handler>) -> Vec<ConfigWindow> {
    let Some(mcfg) = tables.find_table::<Mcfg>() else { return Vec::new() };
    let window = |entry: &acpi::sdt::mcfg::McfgEntry| ConfigWindow {
        base: entry.base_address,
        segment: entry.pci_segment_group,
        first_bus: entry.bus_number_start,
        last_bus: entry.bus_number_end,
    };
    mcfg.entries().iter().map(window).collect()
}
