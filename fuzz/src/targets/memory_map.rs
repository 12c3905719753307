//! The memory map: regions as firmware lists them, 17 bytes each, against a map that is looked up page by page.

#[path = "../../../kernel/src/boot/memory_map.rs"]
mod map;

use capos_abi::PAGE_BYTES;
use capos_abi::boot::{EMPTY, MAX_MEMORY_REGIONS, memory};
use map::{MemoryMap, PHYSICAL_END};

const REGION_BYTES: usize = 17;
const KINDS: [u64; 3] = [memory::USABLE, memory::RESERVED, memory::LOADED];

/// Marks the regions and looks at the result.
pub fn run(bytes: &[u8]) {
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0u64, |word, byte| word << 8 | u64::from(*byte));
    let marks: Vec<(u64, u64, u64)> = bytes
        .chunks_exact(REGION_BYTES)
        .map(|mark| (word(&mark[..8]), word(&mark[8..16]), KINDS[usize::from(mark[16]) % KINDS.len()]))
        .map(|(start, bytes, kind)| (start, start.saturating_add(bytes), kind))
        .collect();
    let mut map = MemoryMap::new();
    marks.iter().for_each(|(start, end, kind)| map.mark(*start, *end, *kind));
    let mut info = EMPTY;
    map.store(&mut info);
    let regions = &info.memory_map[..info.region_count as usize];
    assert!(regions.iter().all(|region| region.bytes > 0 && region.start.checked_add(region.bytes).is_some()));
    assert!(regions.is_sorted_by(|one, next| one.start + one.bytes <= next.start), "sorted, without overlaps");
    if marks.len() < MAX_MEMORY_REGIONS / 3 {
        marks.iter().for_each(|(start, end, _)| {
            for address in [*start, start.wrapping_add(PAGE_BYTES), end.wrapping_sub(1), *end] {
                let found = regions.iter().find(|r| (r.start..r.start + r.bytes).contains(&address)).map(|r| r.kind);
                assert_eq!(found, expected(&marks, address), "at {address:#x}");
            }
        });
    }
}

/// What the last mark over this address says.
fn expected(marks: &[(u64, u64, u64)], address: u64) -> Option<u64> {
    let page = address & !(PAGE_BYTES - 1);
    let behind = page.saturating_add(PAGE_BYTES);
    let covers = |(start, end, kind): &&(u64, u64, u64)| match *kind {
        memory::USABLE => *start <= page && behind <= *end,
        _ => start < end && *start < behind && page < *end,
    };
    marks.iter().rev().find(covers).filter(|_| page < PHYSICAL_END).map(|(_, _, kind)| *kind)
}
