//! The MultiProcessor Specification's tables: the input is the BIOS's read-only memory, in which the floating pointer lies; checksums are
//! mended, as random tables have wrong ones.

use kernel_core::machine::mp;
use kernel_core::machine::tables::Memory;

/// Where the input lies.
const START: u64 = 0xf_0000;
const BYTES: usize = 0x1_0000;
const POINTER_BYTES: usize = 16;
const POINTER_SUM: usize = 10;
const TABLE_SUM: usize = 7;

/// Reads the tables as they are, and again with their checksums right.
pub fn run(bytes: &[u8]) {
    let mut area = Area(vec![0; BYTES]);
    let count = bytes.len().min(BYTES);
    area.0[..count].copy_from_slice(&bytes[..count]);
    let _ = mp::read(&area);
    for at in (0..count).step_by(POINTER_BYTES).filter(|at| bytes[*at..].starts_with(b"_MP_")) {
        let word = |at: usize, count: usize| area.0.get(at..at + count).unwrap_or_default().iter().rev();
        let number = |at, count| word(at, count).fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        let table = number(at + 4, 4).wrapping_sub(START) as usize;
        let table_bytes = if table < BYTES { number(table + 4, 2) as usize } else { 0 };
        mend(&mut area.0, table, table_bytes, TABLE_SUM);
        mend(&mut area.0, at, POINTER_BYTES, POINTER_SUM);
    }
    let _ = mp::read(&area);
}

/// Makes the sum of these bytes zero.
fn mend(area: &mut [u8], start: usize, bytes: usize, sum: usize) {
    if let Some(range) = start.checked_add(bytes).and_then(|end| area.get_mut(start..end))
        && sum < range.len()
    {
        range[sum] = 0;
        range[sum] = range.iter().fold(0, |rest, byte| rest.wrapping_sub(*byte));
    }
}

/// Memory that holds nothing but the input.
struct Area(Vec<u8>);

impl Memory for Area {
    fn bytes(&self, address: u64, count: u64) -> Option<&[u8]> {
        let start = usize::try_from(address.checked_sub(START)?).ok()?;
        self.0.get(start..start.checked_add(usize::try_from(count).ok()?)?)
    }
}
