//! What the checking pass demands of the multiple APIC description table.
use super::tables::{Flaw, field};
use acpi::sdt::madt;

/// What the table starts with.
pub const NAME: [u8; 4] = *b"APIC";
/// Bytes before the first entry.
pub const FIXED_BYTES: u32 = 44;

/// Checks the chain of entries: each is as long as its kind, and the last one ends with the table.
pub fn check(table: &[u8]) -> Result<(), Flaw> {
    let mut offset = FIXED_BYTES as usize;
    while let Some(rest) = table.get(offset..).filter(|rest| !rest.is_empty()) {
        let (kind, length) = (field(rest, 0, 1) as u8, field(rest, 1, 1) as usize);
        if !(entry_bytes(kind)..=rest.len()).contains(&length) {
            return Err(Flaw::Entry(offset));
        }
        offset += length;
    }
    Ok(())
}

/// Bytes of an entry that the `acpi` crate reads.
fn entry_bytes(kind: u8) -> usize {
    match kind {
        0x0 => size_of::<madt::LocalApicEntry>(),
        0x1 => size_of::<madt::IoApicEntry>(),
        0x2 => size_of::<madt::InterruptSourceOverrideEntry>(),
        0x3 => size_of::<madt::NmiSourceEntry>(),
        0x4 => size_of::<madt::LocalApicNmiEntry>(),
        0x5 => size_of::<madt::LocalApicAddressOverrideEntry>(),
        0x6 => size_of::<madt::IoSapicEntry>(),
        0x7 => size_of::<madt::LocalSapicEntry>(),
        0x8 => size_of::<madt::PlatformInterruptSourceEntry>(),
        0x9 => size_of::<madt::LocalX2ApicEntry>(),
        0xa => size_of::<madt::X2ApicNmiEntry>(),
        0xb => size_of::<madt::GiccEntry>(),
        0xc => size_of::<madt::GicdEntry>(),
        0xd => size_of::<madt::GicMsiFrameEntry>(),
        0xe => size_of::<madt::GicRedistributorEntry>(),
        0xf => size_of::<madt::GicInterruptTranslationServiceEntry>(),
        0x10 => size_of::<madt::MultiprocessorWakeupEntry>(),
        _ => size_of::<madt::EntryHeader>(),
    }
}
