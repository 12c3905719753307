//! Parts held against models: tables, timers, run queues, frames, ranges, messages.
use super::world::endless_ledger;
use crate::execution::schedule::RunQueue;
use crate::execution::timer::TimerQueue;
use crate::heap::Payer;
use crate::ipc::message::Params;
use crate::memory::Access;
use crate::memory::frame::{Frame, FrameAllocator};
use crate::memory::range::{Kind, RangeMap};
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
                    prop_assert_eq!(queue.pop_where(|waiting| waiting % 2 == 0), even);
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
    fn ranges_agree_with_a_map_of_pages(steps in proptest::collection::vec((16u64..64, 1u64..16, 0u8..3), 1..60)) {
        let (mut ledgers, ledger) = endless_ledger();
        let mut ranges = RangeMap::new();
        let mut model: BTreeMap<u64, Kind> = BTreeMap::new();
        for (first, count, what) in steps {
            let (start, end) = (first * 4096, (first + count) * 4096);
            let kind = [Kind::Reserved, Kind::Committed(Access::Read)].get(usize::from(what)).copied();
            ranges.prepare(Payer { ledgers: &mut ledgers, ledger }).expect("heap");
            match kind {
                Some(kind) => ranges.set(start, end, kind),
                None => ranges.remove(start, end),
            }
            for page in first..first + count {
                match kind {
                    Some(kind) => model.insert(page, kind),
                    None => model.remove(&page),
                };
            }
            for page in 10..90 {
                prop_assert_eq!(ranges.find(page * 4096 + 17).map(|r| r.kind), model.get(&page).copied());
            }
            let vacant = !(first..first + count).any(|p| model.contains_key(&p));
            prop_assert_eq!(ranges.is_vacant(start, end), vacant);
            let all = (first..first + count).all(|p| model.get(&p) == Some(&Kind::Reserved));
            prop_assert_eq!(ranges.covered(start, end, |k| *k == Kind::Reserved).is_some(), all);
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
