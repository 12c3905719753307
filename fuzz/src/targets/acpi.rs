//! ACPI tables: the input is memory from address 0 on, and the root pointer lies at its start.

#[path = "../../../kernel/src/firmware/handler.rs"]
mod handler;

use kernel_core::machine::firmware::Firmware;
use kernel_core::machine::tables::{BadTable, Memory};

/// Offset of the byte that makes the sum of a table, or of the first part of the root pointer, zero.
const TABLE_SUM: usize = 9;
const POINTER_SUM: usize = 8;
const LATER_POINTER_SUM: usize = 32;

/// Reads the tables as they are, and again with every checksum right: few random tables have a right one.
pub fn run(bytes: &[u8]) {
    for firmware in [read(bytes), read(&with_sums(bytes))].into_iter().flatten() {
        can_be(&firmware);
    }
}

/// Whatever the tables say, no device lies where no address leads.
fn can_be(firmware: &Firmware) {
    let ends = |base: u64, bytes: u64| base != 0 && base.checked_add(bytes).is_some_and(|end| end <= 1 << 52);
    assert!(firmware.hpet.is_none_or(|base| ends(base, 1 << 10)), "{firmware:?}");
    for window in &firmware.config_windows {
        assert!(window.first_bus <= window.last_bus && ends(window.base, 1 << 20), "{window:?}");
    }
    for unit in &firmware.remapping.units {
        assert!(ends(unit.registers, 1 << 12) && unit.devices.iter().all(|device| !device.path.is_empty()), "{unit:?}");
    }
    assert!(firmware.remapping.reserved.iter().all(|region| region.first < region.last), "{firmware:?}");
}

/// Reads the tables by the kernel's own code.
pub fn read(memory: &[u8]) -> Result<Firmware, BadTable> {
    handler::read(Bytes(memory), 0)
}

/// The same memory with the checksums of the root pointer and of all tables that it leads to mended.
pub fn with_sums(memory: &[u8]) -> Vec<u8> {
    let mut memory = memory.to_vec();
    let (rsdt, xsdt) = (word(&memory, 16, 4), word(&memory, 24, 8));
    for (table, entry_bytes) in [(rsdt, 4), (xsdt, 8)] {
        let bytes = word(&memory, table.saturating_add(4), 4).min(memory.len());
        for at in (36..bytes).step_by(entry_bytes) {
            let listed = word(&memory, table.saturating_add(at), entry_bytes);
            mend(&mut memory, listed);
        }
        mend(&mut memory, table);
    }
    mend_range(&mut memory, 0, 20, POINTER_SUM);
    let bytes = word(&memory, 20, 4);
    mend_range(&mut memory, 0, bytes, LATER_POINTER_SUM);
    memory
}

/// Makes the checksum of the table at this address right.
pub fn mend(memory: &mut [u8], table: usize) {
    let bytes = word(memory, table.saturating_add(4), 4);
    mend_range(memory, table, bytes, TABLE_SUM);
}

fn mend_range(memory: &mut [u8], start: usize, bytes: usize, sum: usize) {
    if let Some(range) = start.checked_add(bytes).and_then(|end| memory.get_mut(start..end))
        && sum < range.len()
    {
        range[sum] = 0;
        range[sum] = range.iter().fold(0, |rest, byte| rest.wrapping_sub(*byte));
    }
}

fn word(memory: &[u8], at: usize, count: usize) -> usize {
    let bytes = at.checked_add(count).and_then(|end| memory.get(at..end)).unwrap_or_default();
    bytes.iter().rev().fold(0, |word, byte| word << 8 | usize::from(*byte))
}

/// Memory from address 0 on.
#[derive(Clone, Copy)]
struct Bytes<'a>(&'a [u8]);

impl Memory for Bytes<'_> {
    fn bytes(&self, address: u64, count: u64) -> Option<&[u8]> {
        let start = usize::try_from(address).ok()?;
        self.0.get(start..start.checked_add(usize::try_from(count).ok()?)?)
    }
}
