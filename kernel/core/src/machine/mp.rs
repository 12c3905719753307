//! The tables of Intel's MultiProcessor Specification 1.4: processors and interrupts of machines that have no ACPI.
use super::firmware::{Firmware, IoApicAddress, LineOverride};
use super::tables::Memory;

/// Where the floating pointer may lie: in the BIOS's read-only memory, or in the last KiB of what lies below 640 KiB.
const PLACES: [(u64, u64); 2] = [(0xf_0000, 0x1_0000), (0x9_fc00, 0x400)];
/// Word that holds the segment of the extended BIOS data area, whose first KiB is a further place.
const EXTENDED_AREA: u64 = 0x40e;
const EXTENDED_AREA_BYTES: u64 = 0x400;
/// The floating pointer lies on a multiple of its size.
const POINTER_BYTES: usize = 16;
const POINTER: &[u8] = b"_MP_";
const TABLE: &[u8] = b"PCMP";
const HEADER_BYTES: usize = 44;
/// A line of a bus: active low, level-triggered.
const ACTIVE_LOW: u8 = 0b11;
const LEVEL: u8 = 0b11 << 2;
/// An entry's device can be used.
const ENABLED: u8 = 1;
/// An interrupt entry's type: an ordinary interrupt.
const ORDINARY: u8 = 0;

/// What the tables say; `None`: there are none, or they are damaged.
pub fn read(memory: &impl Memory) -> Option<Firmware> {
    let extended = memory.bytes(EXTENDED_AREA, 2).and_then(|word| word.try_into().ok().map(u16::from_le_bytes));
    let extended = extended.map(|segment| (u64::from(segment) * 16, EXTENDED_AREA_BYTES));
    PLACES.into_iter().chain(extended).find_map(|(start, bytes)| {
        let place = memory.bytes(start, bytes)?;
        place.chunks_exact(POINTER_BYTES).find_map(|pointer| table(memory, pointer))
    })
}

/// The table that a floating pointer leads to.
fn table(memory: &impl Memory, pointer: &[u8]) -> Option<Firmware> {
    if !pointer.starts_with(POINTER) || sum(pointer) != 0 {
        return None;
    }
    let address = u64::from(u32_at(pointer, 4)?);
    let header = memory.bytes(address, HEADER_BYTES as u64).filter(|header| header.starts_with(TABLE))?;
    let bytes = u64::from(u16::from_le_bytes([*header.get(4)?, *header.get(5)?]));
    let table = memory.bytes(address, bytes).filter(|table| sum(table) == 0)?;
    Some(entries(table.get(HEADER_BYTES..)?))
}

/// Reads entry after entry, up to the first of an unknown kind.
fn entries(mut table: &[u8]) -> Firmware {
    let mut firmware = Firmware::default();
    let (mut isa, mut io_apic) = (None, None);
    while let Some((entry, rest)) = split(table) {
        match *entry {
            [0, apic, _, flags, ..] if flags & ENABLED != 0 => firmware.processors.push(u32::from(apic)),
            [1, bus, b'I', b'S', b'A', ..] => isa = Some(bus),
            // Machines with several have ACPI: nothing here says how their interrupts are numbered.
            [2, apic, _, flags, a, b, c, d] if flags & ENABLED != 0 && io_apic.is_none() => {
                io_apic = Some(apic);
                let physical = u64::from(u32::from_le_bytes([a, b, c, d]));
                firmware.io_apics.push(IoApicAddress { physical, first_interrupt: 0 });
            }
            [3, ORDINARY, flags, _, bus, line, apic, pin] if isa == Some(bus) && io_apic == Some(apic) => {
                let (level, active_low) = (flags & LEVEL == LEVEL, flags & ACTIVE_LOW == ACTIVE_LOW);
                if line != pin || level || active_low {
                    firmware.overrides.push(LineOverride { line, interrupt: u32::from(pin), level, active_low });
                }
            }
            _ => {}
        }
        table = rest;
    }
    firmware
}

/// The first entry and what follows it.
fn split(table: &[u8]) -> Option<(&[u8], &[u8])> {
    match table.first()? {
        0 => table.split_at_checked(20),
        1..=4 => table.split_at_checked(8),
        _ => None,
    }
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

#[cfg(test)]
mod test {
    use super::*;
    use proptest::prelude::*;

    const TABLE_AT: u64 = 0x9_f800;

    struct Low(Vec<u8>);

    impl Memory for Low {
        fn bytes(&self, address: u64, count: u64) -> Option<&[u8]> {
            self.0.get(address as usize..)?.get(..count as usize)
        }
    }

    fn put(memory: &mut [u8], at: usize, bytes: &[u8], checksum_at: usize) {
        memory[at..at + bytes.len()].copy_from_slice(bytes);
        memory[at + checksum_at] = 0;
        memory[at + checksum_at] = 0u8.wrapping_sub(sum(&memory[at..at + bytes.len()]));
    }

    /// Memory with a floating pointer at `at` and a table of these entries.
    fn memory(at: usize, entries: &[u8]) -> Low {
        let mut memory = vec![0; 1 << 20];
        let mut pointer = [0; POINTER_BYTES];
        pointer[..4].copy_from_slice(POINTER);
        pointer[4..8].copy_from_slice(&(TABLE_AT as u32).to_le_bytes());
        (pointer[8], pointer[9]) = (1, 4);
        put(&mut memory, at, &pointer, 10);
        let mut table = vec![0; HEADER_BYTES];
        table[..4].copy_from_slice(TABLE);
        table.extend_from_slice(entries);
        let bytes = table.len() as u16;
        table[4..6].copy_from_slice(&bytes.to_le_bytes());
        put(&mut memory, TABLE_AT as usize, &table, 7);
        Low(memory)
    }

    fn usual() -> Vec<u8> {
        let mut entries = Vec::new();
        for (apic, flags) in [(0u8, 3u8), (1, 1), (2, 0)] {
            entries.extend([0, apic, 0x14, flags]);
            entries.extend([0; 16]);
        }
        entries.extend(b"\x01\x00ISA   ");
        entries.extend([2, 3, 0x11, 1, 0, 0, 0xc0, 0xfe]);
        entries.extend([3, 0, 0, 0, 0, 0, 3, 2]);
        entries.extend([3, 0, 0, 0, 0, 4, 3, 4]);
        entries.extend([3, 0, 0xf, 0, 0, 9, 3, 9]);
        entries.extend([4, 3, 0, 0, 0, 0, 0xff, 0]);
        entries
    }

    #[test]
    fn processors_and_interrupts() {
        let firmware = read(&memory(0xf_5000, &usual())).expect("a table");
        assert_eq!(firmware.processors, [0, 1]);
        assert_eq!(firmware.io_apics, [IoApicAddress { physical: 0xfec0_0000, first_interrupt: 0 }]);
        let route = |line, interrupt, level| LineOverride { line, interrupt, level, active_low: level };
        assert_eq!(firmware.overrides, [route(0, 2, false), route(9, 9, true)]);
    }

    #[test]
    fn every_place_is_searched() {
        assert!(read(&memory(0x9_fc00, &usual())).is_some());
        let mut extended = memory(0x9_0010, &usual());
        assert!(read(&extended).is_none());
        extended.0[EXTENDED_AREA as usize..][..2].copy_from_slice(&0x9000u16.to_le_bytes());
        assert!(read(&extended).is_some());
    }

    #[test]
    fn damaged_tables_are_no_tables() {
        for at in [0xf_5001, TABLE_AT as usize + 1, TABLE_AT as usize + 60] {
            let mut memory = memory(0xf_5000, &usual());
            memory.0[at] ^= 1;
            assert!(read(&memory).is_none(), "{at:#x}");
        }
        assert!(read(&Low(Vec::new())).is_none());
    }

    proptest! {
        #[test]
        fn no_entries_confuse_it(entries in proptest::collection::vec(0u8..6, 0..200)) {
            prop_assert!(read(&memory(0xf_5000, &entries)).is_some());
        }
    }
}
