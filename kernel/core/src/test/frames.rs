//! The frame allocator against a set of numbers: memory with holes, and a lot of it.
use crate::memory::frame::{FRAME_BYTES, Frame, FrameAllocator, LARGEST_RUN, OutOfFrames};
use crate::start::memory::{free_frames, take_low, take_run};
use capos_abi::boot::{MemoryRegion, memory};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Frames that the tests' allocator can hold.
const LIMIT: u64 = 1000;
/// Processors that allocate.
const PROCESSORS: usize = 3;
/// Frames of 64 GiB.
const LARGE: u64 = 16 << 20;

/// What is done to an allocator.
#[derive(Clone, Debug)]
enum Step {
    One,
    Run(u64),
    Back(usize),
    Reserve(u64),
    Reserved,
    Zeroed,
    ZeroAhead(u32),
    Enter(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::One),
        2 => (1u64..140).prop_map(Step::Run),
        2 => any::<usize>().prop_map(Step::Back),
        1 => (0u64..50).prop_map(Step::Reserve),
        2 => Just(Step::Reserved),
        2 => Just(Step::Zeroed),
        1 => (1u32..100).prop_map(Step::ZeroAhead),
        1 => (0..PROCESSORS).prop_map(Step::Enter),
    ]
}

/// A run from the map, or else from everything that is free.
fn run(frames: &mut FrameAllocator, count: u64) -> Result<Frame, OutOfFrames> {
    let mut from = Some(0);
    while !frames.has_run(count) && from.is_some() {
        from = frames.gather(from.unwrap_or_default());
    }
    frames.allocate_contiguous(count)
}

proptest! {
    #[test]
    fn memory_with_holes(
        regions in proptest::collection::vec((0..LIMIT + 100, 0u64..200), 0..12),
        steps in proptest::collection::vec(step(), 0..300),
    ) {
        let mut frames = FrameAllocator::new(Frame(LIMIT)).expect("heap");
        frames.prepare(PROCESSORS).expect("heap");
        // The bitmap is made of whole words.
        let end = LIMIT.next_multiple_of(64);
        let mut free = BTreeSet::new();
        for (start, count) in regions {
            frames.add(Frame(start), count);
            free.extend(start..(start + count).min(end));
        }
        prop_assert_eq!(frames.total(), free.len() as u64);
        let (mut held, mut reserved): (Vec<(u64, u64)>, u64) = (Vec::new(), 0);
        // Frames that hold nothing but zeros.
        let mut zeros = BTreeSet::new();
        for step in steps {
            let taken = match step {
                Step::One => frames.allocate().ok().map(|frame| (frame, 1)),
                Step::Run(count) => {
                    let block = count.next_power_of_two();
                    let starts = (0..end).step_by(block as usize);
                    let exists = starts.into_iter().any(|start| (start..start + block).all(|frame| free.contains(&frame)));
                    let fits = free.len() as u64 - reserved >= count;
                    let run = run(&mut frames, count).ok();
                    prop_assert_eq!(run.is_some(), exists && fits, "a run of {}", count);
                    run.map(|first| (first, count))
                }
                Step::Reserved if reserved > 0 => {
                    reserved -= 1;
                    let frame = frames.allocate_reserved(|frame| {
                        zeros.insert(frame.0);
                    });
                    let frame = frame.expect("reserved frames are there");
                    prop_assert!(zeros.contains(&frame.0));
                    Some((frame, 1))
                }
                Step::Reserved => None,
                Step::Zeroed => {
                    let frame = frames.allocate_zeroed(|frame| {
                        zeros.insert(frame.0);
                    });
                    prop_assert!(frame.is_ok_and(|frame| zeros.contains(&frame.0)) || frame.is_err());
                    frame.ok().map(|frame| (frame, 1))
                }
                Step::ZeroAhead(count) => {
                    (0..count).for_each(|_| {
                        frames.zero_ahead(|frame| {
                            assert!(free.contains(&frame.0));
                            zeros.insert(frame.0);
                        });
                    });
                    None
                }
                Step::Enter(processor) => {
                    frames.enter(processor);
                    None
                }
                Step::Reserve(count) => {
                    reserved += frames.reserve(count).map_or(0, |()| count);
                    None
                }
                Step::Back(index) => {
                    if !held.is_empty() {
                        let (first, count) = held.swap_remove(index % held.len());
                        match count {
                            1 => frames.free(Frame(first)),
                            _ => frames.free_contiguous(Frame(first), count),
                        }
                        free.extend(first..first + count);
                    }
                    None
                }
            };
            if let Some((first, count)) = taken {
                prop_assert!(count == 1 || first.0.is_multiple_of(count.next_power_of_two()));
                prop_assert!((first.0..first.0 + count).all(|frame| free.remove(&frame)), "{first:?} was not free");
                (first.0..first.0 + count).for_each(|frame| {
                    zeros.remove(&frame);
                });
                held.push((first.0, count));
            }
            prop_assert_eq!(frames.free_frames(), free.len() as u64);
            prop_assert_eq!(frames.available(), (free.len() as u64).saturating_sub(reserved));
        }
    }
}

#[test]
fn sixty_four_gib_with_a_hole_below_four() {
    let mut frames = FrameAllocator::new(Frame(LARGE)).expect("heap");
    frames.prepare(PROCESSORS).expect("heap");
    frames.add(Frame(1), 0x8_0000 - 1);
    frames.add(Frame(0x10_0000), LARGE - 0x10_0000);
    assert_eq!(frames.free_frames(), LARGE - 0x8_0000 - 1);
    let runs: Vec<Frame> = std::iter::from_fn(|| frames.allocate_contiguous(LARGEST_RUN).ok()).collect();
    assert_eq!(runs.len() as u64, (LARGE - 0x8_0000) / LARGEST_RUN - 1, "all but the one with the first frame");
    assert!(runs.iter().all(|run| run.0.is_multiple_of(LARGEST_RUN) && !(0x8_0000..0x10_0000).contains(&run.0)));
    runs.into_iter().for_each(|run| frames.free_contiguous(run, LARGEST_RUN));
    let all: u64 = std::iter::from_fn(|| frames.allocate().ok()).map(|_| 1).sum();
    assert_eq!(all, LARGE - 0x8_0000 - 1);
    assert_eq!(frames.allocate(), Err(OutOfFrames { requested: 1, remaining: 0 }));
}

#[test]
fn whoever_is_refused_was_told_the_truth() {
    const FRAMES: u64 = 400;
    let mut frames = FrameAllocator::new(Frame(FRAMES)).expect("heap");
    frames.prepare(PROCESSORS).expect("heap");
    frames.add(Frame(0), FRAMES);
    // Every frame passes through some processor's hands, or is zeroed ahead.
    let all: Vec<Frame> = std::iter::from_fn(|| frames.allocate().ok()).collect();
    for (index, frame) in all.iter().enumerate() {
        frames.enter(index % PROCESSORS);
        frames.free(*frame);
    }
    while frames.zero_ahead(|_| {}) {}
    assert_eq!(frames.free_frames(), FRAMES);
    // A run of all of them needs every one.
    assert_eq!(frames.allocate_contiguous(256), Err(OutOfFrames { requested: 256, remaining: 255 }));
    let run = run(&mut frames, 256).expect("they are neighbours again");
    frames.free_contiguous(run, 256);
    while frames.zero_ahead(|_| {}) {}
    frames.enter(0);
    assert_eq!(std::iter::from_fn(|| frames.allocate().ok()).count() as u64, FRAMES);
    assert_eq!((frames.free_frames(), frames.allocate()), (0, Err(OutOfFrames { requested: 1, remaining: 0 })));
}

/// A machine's memory: what firmware and loader hold, holes, and usable regions, whose ends lie within a word of the map.
const REGIONS: [(u64, u64, u64); 7] = [
    (0, 0x9f, memory::USABLE),
    (0x9f, 1, memory::RESERVED),
    (0x100, 0x83, memory::USABLE),
    (0x183, 5, memory::LOADED),
    (0x188, 9, memory::LOADER_RECLAIMABLE),
    (0x191, 3, memory::ACPI_RECLAIMABLE),
    (0x200, 0x145, memory::USABLE),
];

fn regions() -> Vec<MemoryRegion> {
    let region = |(first, frames, kind)| MemoryRegion { start: first * FRAME_BYTES, bytes: frames * FRAME_BYTES, kind };
    REGIONS.map(region).to_vec()
}

/// The frames of the regions that satisfy a condition.
fn frames_of(regions: &[MemoryRegion], condition: impl Fn(u64) -> bool) -> BTreeSet<u64> {
    let meant = regions.iter().filter(|region| condition(region.kind));
    meant.flat_map(|region| region.start / FRAME_BYTES..(region.start + region.bytes) / FRAME_BYTES).collect()
}

#[test]
fn every_usable_frame_but_the_first_is_given_out_and_no_other() {
    let mut frames = free_frames(&regions()).expect("heap");
    let given: BTreeSet<u64> = std::iter::from_fn(|| frames.allocate().ok()).map(|frame| frame.0).collect();
    let mut usable = frames_of(&regions(), |kind| [memory::USABLE, memory::LOADER_RECLAIMABLE].contains(&kind));
    usable.remove(&0);
    assert_eq!(given, usable);
}

#[test]
fn what_the_kernel_takes_while_it_starts_is_usable_and_belongs_to_nobody_else() {
    let mut regions = regions();
    let usable = frames_of(&regions, |kind| kind == memory::USABLE);
    let mut taken = BTreeSet::new();
    let runs = [1, 7, 0x60, 0x83].map(|count| (count, take_run(&mut regions, count).expect("room")));
    for (count, first) in runs {
        assert!(first >= 1 << 20, "low memory is for processors that start");
        assert!((first / FRAME_BYTES..).take(count as usize).all(|frame| taken.insert(frame)), "{first:#x} twice");
    }
    let lows: Vec<u64> = std::iter::from_fn(|| take_low(&mut regions)).collect();
    assert!(lows.iter().all(|&low| low != 0 && taken.insert(low / FRAME_BYTES)));
    assert_eq!(lows.len(), 0x9e, "all but the first");
    assert!(taken.is_subset(&usable));
    let mut frames = free_frames(&regions).expect("heap");
    assert!(std::iter::from_fn(|| frames.allocate().ok()).all(|frame| !taken.contains(&frame.0)));
    assert_eq!(take_run(&mut regions, 0x145), None, "no region has so many any more");
}

#[test]
fn the_kernel_takes_nothing_that_its_first_page_tables_do_not_reach() {
    let high = MemoryRegion { start: (4 << 30) - 2 * FRAME_BYTES, bytes: 1 << 30, kind: memory::USABLE };
    let mut regions = [high];
    assert_eq!(take_run(&mut regions, 3), None);
    assert_eq!(take_run(&mut regions, 2), Some(high.start));
    assert_eq!(take_run(&mut regions, 1), None);
}

#[test]
fn some_frames_stay_free_for_page_tables() {
    const FRAMES: u64 = 400;
    let mut frames = FrameAllocator::new(Frame(FRAMES)).expect("heap");
    frames.add(Frame(0), FRAMES);
    let OutOfFrames { remaining, .. } = frames.reserve(FRAMES).expect_err("not all of them");
    assert!(remaining < FRAMES);
    frames.reserve(remaining).expect("but all the others");
    assert_eq!(frames.reserve(1), Err(OutOfFrames { requested: 1, remaining: 0 }));
    let tables = std::iter::from_fn(|| frames.allocate().ok()).count() as u64;
    assert_eq!(tables, FRAMES - remaining);
    let reserved = std::iter::from_fn(|| frames.allocate_reserved(|_| {})).count() as u64;
    assert_eq!(reserved, remaining, "what was set aside is there");
}
