//! Building a memory map that is sorted and free of overlaps from what firmware says.

use capos_abi::PAGE_BYTES;
use capos_abi::boot::{BootInfo, MAX_MEMORY_REGIONS, MemoryRegion, memory};

/// Behind the last physical address that a processor can have; what firmware says of others is nothing.
pub const PHYSICAL_END: u64 = 1 << 52;

/// A memory map under construction: whatever is marked last wins.
pub struct MemoryMap {
    regions: [MemoryRegion; MAX_MEMORY_REGIONS],
    count: usize,
}

impl MemoryMap {
    /// Nothing known of any address.
    pub const fn new() -> MemoryMap {
        MemoryMap {
            regions: [MemoryRegion { start: 0, bytes: 0, kind: memory::RESERVED }; MAX_MEMORY_REGIONS],
            count: 0,
        }
    }

    /// Says of `start..end` that it is of this kind. Usable memory shrinks to whole pages, all else grows.
    pub fn mark(&mut self, start: u64, end: u64, kind: u64) {
        let (start, end) = (start.min(PHYSICAL_END), end.min(PHYSICAL_END));
        if start >= end {
            return;
        }
        let (start, end) = match kind {
            memory::USABLE => (start.next_multiple_of(PAGE_BYTES), end & !(PAGE_BYTES - 1)),
            _ => (start & !(PAGE_BYTES - 1), end.next_multiple_of(PAGE_BYTES)),
        };
        if start < end {
            self.cut(start, end);
            self.push(start, end, kind);
        }
    }

    /// Writes the map, sorted, into `info`.
    pub fn store(mut self, info: &mut BootInfo) {
        if let Some(regions) = self.regions.get_mut(..self.count) {
            regions.sort_unstable_by_key(|region| region.start);
        }
        info.memory_map = self.regions;
        info.region_count = self.count as u64;
    }

    /// Forgets what was known of `start..end`.
    fn cut(&mut self, start: u64, end: u64) {
        for index in (0..self.count).rev() {
            let Some(region) = self.regions.get(index).copied() else { continue };
            let region_end = region.start + region.bytes;
            if region_end <= start || end <= region.start {
                continue;
            }
            self.remove(index);
            self.push(region.start, start, region.kind);
            self.push(end, region_end, region.kind);
        }
    }

    fn remove(&mut self, index: usize) {
        self.count -= 1;
        if let Some(last) = self.regions.get(self.count).copied()
            && let Some(place) = self.regions.get_mut(index)
        {
            *place = last;
        }
    }

    /// A region that finds no place is forgotten: then nobody uses it.
    fn push(&mut self, start: u64, end: u64, kind: u64) {
        if start < end
            && let Some(place) = self.regions.get_mut(self.count)
        {
            *place = MemoryRegion { start, bytes: end - start, kind };
            self.count += 1;
        }
    }
}
