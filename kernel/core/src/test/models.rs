//! Parts held against models: tables, timers, run queues, frames, ranges, messages.
use super::dice::Dice;
use super::world::endless_ledger;
use crate::execution::schedule::RunQueue;
use crate::execution::stay::Stay;
use crate::execution::timer::TimerQueue;
use crate::heap::Payer;
use crate::ipc::message::Params;
use crate::ledger::Ledger;
use crate::memory::Access;
use crate::memory::frame::{Frame, FrameAllocator};
use crate::memory::range::{FIRST_CHOSEN, Kind, Range, RangeMap};
use crate::slab::{Id, Slab};
use crate::start::package::{Package, PackageError};
use crate::table::{FIRST_PLACES, Table};
use capos_abi::layout::{Pointer, Scalar};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

proptest! {
    #[test]
    fn a_table_agrees_with_a_vector(steps in proptest::collection::vec((0u8..5, 0usize..1000), 1..1500)) {
        let mut table = Table::new();
        let mut model = Vec::new();
        for (step, value) in steps {
            match step {
                0..=2 => {
                    prop_assert!(table.reserve(model.len() + 1).is_ok());
                    table.push(value);
                    model.push(value);
                }
                3 => prop_assert_eq!(table.pop(), model.pop()),
                _ if value < model.len() => prop_assert_eq!(table.swap_remove(value), Some(model.swap_remove(value))),
                _ => prop_assert_eq!(table.get(value), None),
            }
            prop_assert_eq!(table.len(), model.len());
        }
        let content: Vec<_> = (0..=model.len()).map_while(|at| table.get_mut(at).copied()).collect();
        prop_assert_eq!(content, model);
    }

    #[test]
    fn timers_fire_in_order_and_once(steps in proptest::collection::vec((0u32..20, proptest::option::of(1u64..100)), 1..200)) {
        let mut queue = TimerQueue::new();
        prop_assert!(queue.prepare(20).is_ok());
        let mut model = BTreeMap::new();
        for (thread, deadline) in steps {
            queue.set(thread, deadline);
            match deadline {
                Some(deadline) => model.insert(thread, deadline),
                None => model.remove(&thread),
            };
            prop_assert_eq!(queue.earliest(), model.values().copied().min().unwrap_or(u64::MAX));
        }
        let mut fired = BTreeSet::new();
        while let Some(thread) = queue.pop_expired(60) {
            prop_assert!(model[&thread] <= 60 && fired.insert(thread));
        }
        prop_assert_eq!(fired, model.iter().filter(|(_, d)| **d <= 60).map(|(t, _)| *t).collect());
    }

    #[test]
    fn who_waits_longest_of_the_most_urgent_runs_first(steps in proptest::collection::vec((0u8..5, 0u32..12, 0u64..6), 1..200)) {
        let mut queue = RunQueue::new();
        prop_assert!(queue.prepare(12).is_ok());
        // Who waits, in the order of arrival.
        let mut model: Vec<(u64, u32)> = Vec::new();
        for (step, who, deadline) in steps {
            let place = model.iter().position(|(_, waiting)| *waiting == who);
            let first = model.iter().map(|(deadline, _)| *deadline).min();
            let is_first = |(deadline, _): &(u64, u32)| Some(*deadline) == first;
            match (step, place) {
                (0 | 1, None) => {
                    queue.push(who, deadline);
                    model.push((deadline, who));
                }
                (2, place) => {
                    prop_assert_eq!(queue.remove(who), place.is_some());
                    place.map(|place| model.remove(place));
                }
                (3, _) => {
                    let place = model.iter().position(is_first);
                    prop_assert_eq!(queue.pop(), place.map(|place| model.remove(place).1));
                }
                _ => {
                    let even = model.iter().filter(|(_, waiting)| waiting % 2 == 0).min_by_key(|(deadline, _)| *deadline);
                    let even = even.map(|(_, waiting)| *waiting);
                    prop_assert_eq!(queue.pop_where(usize::MAX, |waiting| waiting % 2 == 0), even);
                    model.retain(|(_, waiting)| Some(*waiting) != even);
                }
            }
            prop_assert_eq!(queue.first().map(|(_, who)| who), model.iter().min_by_key(|(d, _)| *d).map(|(_, who)| *who));
            prop_assert_eq!(queue.len(), model.len());
        }
    }

    #[test]
    fn frames_are_given_out_once(steps in proptest::collection::vec((any::<bool>(), 1u64..9), 1..200)) {
        let mut frames = FrameAllocator::new(Frame(512)).expect("heap");
        frames.prepare(1).expect("heap");
        frames.add(Frame(3), 300);
        frames.add(Frame(290), 100);
        let mut held: Vec<(Frame, u64)> = Vec::new();
        for (take, count) in steps {
            if take {
                if let Ok(first) = frames.allocate_contiguous(count) {
                    let clash = held.iter().any(|(f, n)| f.0 < first.0 + count && first.0 < f.0 + n);
                    prop_assert!(!clash && first.0 >= 3 && first.0 + count <= 390);
                    held.push((first, count));
                }
            } else if let Some((first, count)) = held.pop() {
                frames.free_contiguous(first, count);
            }
            let used: u64 = held.iter().map(|(_, n)| n).sum();
            prop_assert_eq!(frames.free_frames(), 387 - used);
        }
    }

    #[test]
    fn ranges_agree_with_a_map_of_pages(steps in proptest::collection::vec((0u64..48, 1u64..16, 0u8..3), 1..90)) {
        let mut pages = Pages::new(80);
        for (first, count, what) in steps {
            pages.change(first, count, what)?;
        }
    }

    #[test]
    fn thousands_of_ranges_agree_with_a_map_of_pages(
        seed in 1u64..,
        steps in proptest::collection::vec((0u64..4000, 1u64..40, 1u64..40, 0u8..3), 1..20),
    ) {
        let mut pages = Pages::new(6000);
        let mut dice = Dice(seed);
        // Holes of all sizes, which come in any order.
        let kinds = [None, Some(Kind::Reserved), Some(Kind::Committed(Access::Read))];
        for _ in 0..2000 {
            pages.set(dice.below(5990) as u64, 1 + dice.below(3) as u64, kinds[dice.below(3)]);
        }
        for (first, one, other, what) in steps {
            pages.change(first, one * other, what)?;
        }
    }

    #[test]
    fn any_words_are_read_without_harm(words in proptest::collection::vec(any::<u64>(), 0..64), offset in 0u32..40, index in 0u16..6) {
        if let Ok(params) = Params::new(&words) {
            params.get(Scalar { offset: offset & !7, bytes: 8, default: 0 });
            let _ = params.capability(Pointer { index });
            let _ = params.text(Pointer { index }, &mut [0; 64]);
        }
    }

    #[test]
    fn damaged_packages_are_refused(at in 0usize..300, bit in 0u8..8) {
        let mut bytes = package();
        prop_assert!(Package::parse(&bytes).is_ok());
        bytes[at] ^= 1 << bit;
        prop_assert!(Package::parse(&bytes).is_err());
    }
}

/// A package of two pages behind its table.
fn package() -> Vec<u8> {
    let mut bytes = vec![0u8; 3 * 4096];
    let mut put = |at: usize, value: u64| bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
    put(0, capos_abi::package::MAGIC);
    put(8, u64::from(capos_abi::package::VERSION) | 2 << 32);
    put(16, 3 * 4096);
    put(32, 4096);
    put(40, 100);
    put(96, 8192);
    put(104, 4096);
    bytes[56..64].copy_from_slice(b"manifest");
    let checksum = u64::from(crc32fast::hash(&bytes[32..]));
    bytes[24..32].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

#[test]
fn a_package_that_is_cut_says_so() {
    let bytes = package();
    assert_eq!(Package::parse(&bytes[..8192]).unwrap_err(), PackageError::Truncated { announced: 12288, loaded: 8192 });
    assert_eq!(Package::parse(&[]).unwrap_err(), PackageError::Missing);
    assert_eq!(Package::parse(b"not a package").unwrap_err(), PackageError::NotAPackage);
}

#[test]
fn a_table_that_grows_moves_nothing_behind_its_first_piece() {
    let mut table = Table::new();
    let place = |table: &Table<usize>, at| core::ptr::from_ref(table.get(at).expect("pushed"));
    let mut places = Vec::new();
    for at in 0..10_000 {
        table.reserve(at + 1).expect("heap");
        table.push(at);
        if at >= FIRST_PLACES {
            places.push(place(&table, at));
        }
    }
    let now: Vec<_> = (FIRST_PLACES..10_000).map(|at| place(&table, at)).collect();
    assert!(places == now);
}

/// Pages around the first address that is chosen, as a map of ranges has them and as they are.
struct Pages {
    first: u64,
    ledgers: Slab<Ledger>,
    ledger: Id<Ledger>,
    ranges: RangeMap,
    kinds: Vec<Option<Kind>>,
}

impl Pages {
    fn new(count: usize) -> Self {
        let (ledgers, ledger) = endless_ledger();
        let first = FIRST_CHOSEN / 4096 - count as u64 / 2;
        Self { first, ledgers, ledger, ranges: RangeMap::new(), kinds: vec![None; count] }
    }

    fn address(&self, page: u64) -> u64 {
        (self.first + page) * 4096
    }

    fn set(&mut self, first: u64, count: u64, kind: Option<Kind>) {
        let (start, end) = (self.address(first), self.address(first + count));
        self.ranges
            .prepare(start, Payer { ledgers: &mut self.ledgers, ledger: self.ledger, stay: &mut Stay::default() })
            .expect("heap");
        match kind {
            Some(kind) => self.ranges.set(start, end, kind),
            None => self.ranges.remove(start, end),
        }
        self.kinds[first as usize..(first + count) as usize].fill(kind);
    }

    /// Lets pages stand for something else, and compares all of them.
    fn change(&mut self, first: u64, count: u64, what: u8) -> Result<(), TestCaseError> {
        let kind = [Kind::Reserved, Kind::Committed(Access::Read)].get(usize::from(what)).copied();
        self.set(first, count, kind);
        let runs = self.kinds.chunk_by(|one, next| one == next);
        let mut page = 0;
        let mut wanted = Vec::new();
        for run in runs {
            let (start, end) = (self.address(page), self.address(page + run.len() as u64));
            wanted.extend(run[0].map(|kind| Range { start, end, kind }));
            page += run.len() as u64;
        }
        let mut found = self.ranges.iter().copied();
        let differs = wanted.iter().map(|wanted| (Some(*wanted), found.next())).find(|(wanted, found)| wanted != found);
        prop_assert_eq!(differs, None);
        prop_assert_eq!(found.next(), None);
        self.look_up(first, count)
    }

    /// Compares what is said of some pages.
    fn look_up(&self, first: u64, count: u64) -> Result<(), TestCaseError> {
        let (start, end) = (self.address(first), self.address(first + count));
        let inside = &self.kinds[first as usize..(first + count) as usize];
        prop_assert_eq!(self.ranges.find(start + 17).map(|range| range.kind), inside[0]);
        prop_assert_eq!(self.ranges.is_vacant(start, end), inside.iter().all(Option::is_none));
        let found = self.ranges.first(start, end).map(|part| (part.start, part.kind));
        let first = inside.iter().zip(0..).find_map(|(kind, page)| Some((start + page * 4096, (*kind)?)));
        prop_assert_eq!(found, first);
        let chosen = &self.kinds[self.kinds.len() / 2..];
        for count in [1, 2, 3, count] {
            let is_gap = |at: &usize| chosen[*at..].iter().take(count as usize).all(Option::is_none);
            let gap = (0..=chosen.len()).find(is_gap).map(|at| FIRST_CHOSEN + at as u64 * 4096);
            prop_assert_eq!(self.ranges.gap(count * 4096), gap);
        }
        Ok(())
    }
}

#[test]
fn a_map_whose_ranges_have_gone_takes_no_more_memory_for_others() {
    const RANGES: u64 = 4000;
    let (mut ledgers, ledger) = endless_ledger();
    let mut ranges = RangeMap::new();
    let mut held = Vec::new();
    for round in 0..8 {
        let address = |number: u64| FIRST_CHOSEN + (round * RANGES + number) * 2 * 4096;
        let mut change = |number: u64, kind: Option<Kind>| {
            let payer = Payer { ledgers: &mut ledgers, ledger, stay: &mut Stay::default() };
            ranges.prepare(address(number), payer).expect("heap");
            match kind {
                Some(kind) => ranges.set(address(number), address(number) + 4096, kind),
                None => ranges.remove(address(number), address(number) + 4096),
            }
        };
        (0..RANGES).for_each(|number| change(number, Some(Kind::Reserved)));
        // A few are left in each part of the map.
        (0..RANGES).filter(|number| !number.is_multiple_of(100)).for_each(|number| change(number, None));
        held.push(ranges.held());
    }
    assert!(held.last() < held.first().map(|first| first * 2).as_ref(), "{held:?}");
}
