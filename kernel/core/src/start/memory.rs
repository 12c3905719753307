//! The machine's usable memory: what the kernel takes for itself while it starts, and what is left for the frame allocator.
use crate::memory::frame::{FRAME_BYTES, Frame, FrameAllocator};
use capos_abi::boot::{MemoryRegion, memory};

/// The boot page tables reach so far.
const REACH: u64 = 4 << 30;
/// Processors start below this address.
const LOW_END: u64 = 1 << 20;

/// Takes neighbouring frames out of the largest usable region that has them where the boot page tables reach; the physical
/// address of the first.
pub fn take_run(regions: &mut [MemoryRegion], frames: u64) -> Option<u64> {
    let bytes = frames * FRAME_BYTES;
    let fits = |region: &&mut MemoryRegion| {
        region.kind == memory::USABLE
            && region.start >= LOW_END
            && region.bytes >= bytes
            && region.start + bytes <= REACH
    };
    let region = regions.iter_mut().filter(fits).max_by_key(|region| region.bytes)?;
    let first = region.start;
    region.start += bytes;
    region.bytes -= bytes;
    Some(first)
}

/// Takes a frame below 1 MiB, but not frame 0; its physical address.
pub fn take_low(regions: &mut [MemoryRegion]) -> Option<u64> {
    let fits = |region: &&mut MemoryRegion| {
        region.kind == memory::USABLE && region.bytes > FRAME_BYTES && region.start + region.bytes <= LOW_END
    };
    let region = regions.iter_mut().find(fits)?;
    region.bytes -= FRAME_BYTES;
    Some(region.start + region.bytes)
}

/// A frame allocator with all usable memory but frame 0. What the loader left is needed no more. `None`: the heap is too small.
pub fn free_frames(regions: &[MemoryRegion]) -> Option<FrameAllocator> {
    let kinds = [memory::USABLE, memory::LOADER_RECLAIMABLE];
    let usable = regions.iter().filter(|region| kinds.contains(&region.kind));
    let end = usable.clone().map(|region| region.start + region.bytes).max()?;
    let mut frames = FrameAllocator::new(Frame::containing(end))?;
    for region in usable {
        let (start, end) = (region.start.max(FRAME_BYTES), region.start + region.bytes);
        frames.add(Frame::containing(start), end.saturating_sub(start) / FRAME_BYTES);
    }
    Some(frames)
}
