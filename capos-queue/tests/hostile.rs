//! The queue against a model of itself, and against a peer that writes anything anywhere.
#![cfg(not(loom))]

use capos_queue::{AtomicU64, BadMemory, Consumer, Doorbell, Producer, Sleep, words};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::sync::atomic::Ordering;

const ENTRIES: u32 = 4;

fn memory() -> Vec<AtomicU64> {
    (0..words::<2>(ENTRIES)).map(|_| AtomicU64::new(0)).collect()
}

#[derive(Clone, Debug)]
enum Step {
    Push(u64),
    PushEach(Vec<u64>),
    Publish,
    Pop,
    PopEach(u64),
    Release,
    ConsumerSleeps,
    ProducerSleeps,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any::<u64>().prop_map(Step::Push),
        2 => proptest::collection::vec(any::<u64>(), 0..7).prop_map(Step::PushEach),
        2 => Just(Step::Publish),
        4 => Just(Step::Pop),
        2 => (0u64..7).prop_map(Step::PopEach),
        2 => Just(Step::Release),
        1 => Just(Step::ConsumerSleeps),
        1 => Just(Step::ProducerSleeps),
    ]
}

proptest! {
    #[test]
    fn entries_come_out_as_they_went_in(steps in proptest::collection::vec(step(), 0..200)) {
        let memory = memory();
        let (mut producer, mut consumer) = (Producer::<2>::new(&memory, ENTRIES)?, Consumer::<2>::new(&memory, ENTRIES)?);
        let (mut hidden, mut shown, mut held) = (VecDeque::new(), VecDeque::new(), 0);
        let (mut consumer_sleeps, mut producer_sleeps) = (false, false);
        for step in steps {
            match step {
                Step::Push(value) => {
                    let fits = hidden.len() + shown.len() + held < ENTRIES as usize;
                    prop_assert_eq!(producer.push([value, !value])?, fits);
                    if fits {
                        hidden.push_back(value);
                    }
                }
                Step::PushEach(values) => {
                    let fit = values.len().min(ENTRIES as usize - hidden.len() - shown.len() - held);
                    let mut entries = values.iter().map(|&value| [value, !value]);
                    prop_assert_eq!(producer.push_each(&mut entries)?, fit as u64);
                    prop_assert_eq!(entries.len(), values.len() - fit, "what found no place is still to come");
                    hidden.extend(&values[..fit]);
                }
                Step::Publish => {
                    let rings = !hidden.is_empty() && consumer_sleeps;
                    prop_assert_eq!(producer.publish() == Doorbell::Ring, rings);
                    shown.append(&mut hidden);
                }
                Step::Pop => {
                    let expected = shown.pop_front();
                    held += usize::from(expected.is_some());
                    prop_assert_eq!(consumer.pop()?, expected.map(|value| [value, !value]));
                }
                Step::PopEach(most) => {
                    let expected: Vec<_> = shown.drain(..shown.len().min(most as usize)).collect();
                    let mut found = Vec::new();
                    prop_assert_eq!(consumer.pop_each(most, &mut |entry| found.push(entry))?, expected.len() as u64);
                    held += expected.len();
                    prop_assert!(found.into_iter().eq(expected.into_iter().map(|value| [value, !value])));
                }
                Step::Release => {
                    prop_assert_eq!(consumer.release() == Doorbell::Ring, held > 0 && producer_sleeps);
                    held = 0;
                }
                Step::ConsumerSleeps => {
                    consumer_sleeps = consumer.sleep()? == Sleep::Wait;
                    prop_assert_eq!(consumer_sleeps, shown.is_empty());
                }
                Step::ProducerSleeps => {
                    producer_sleeps = producer.sleep()? == Sleep::Wait;
                    prop_assert_eq!(producer_sleeps, hidden.len() + shown.len() + held == ENTRIES as usize);
                }
            }
        }
    }

    #[test]
    fn a_hostile_peer_costs_nothing_but_the_queue(
        writes in proptest::collection::vec((0..words::<2>(ENTRIES), prop_oneof![any::<u64>(), 0u64..8]), 1..40),
    ) {
        let memory = memory();
        let (mut producer, mut consumer) = (Producer::<2>::new(&memory, ENTRIES)?, Consumer::<2>::new(&memory, ENTRIES)?);
        let (mut producer_closed, mut consumer_closed) = (None, None);
        for (word, value) in writes {
            memory[word].store(value, Ordering::Relaxed);
            for _ in 0..ENTRIES + 1 {
                if let Err(misbehaved) = producer.push([1, 2]) {
                    prop_assert_eq!(*producer_closed.get_or_insert(misbehaved), misbehaved, "it stays closed");
                }
                if let Err(misbehaved) = consumer.pop() {
                    prop_assert_eq!(*consumer_closed.get_or_insert(misbehaved), misbehaved, "it stays closed");
                }
            }
        }
    }
}

#[test]
fn an_index_out_of_range_is_named() {
    let memory = memory();
    let mut consumer = Consumer::<2>::new(&memory, ENTRIES).unwrap();
    memory[0].store(5, Ordering::Relaxed);
    let error = consumer.pop().unwrap_err();
    assert_eq!(error.to_string(), "the other side of the queue wrote the index 5, which should lie in 0 to 4");
    memory[0].store(1, Ordering::Relaxed);
    assert_eq!(consumer.pop(), Err(error), "nobody is trusted twice");
}

#[test]
fn memory_that_does_not_fit_is_refused() {
    let memory = memory();
    assert_eq!(Producer::<2>::new(&memory, 3).err(), Some(BadMemory::Entries(3)));
    assert_eq!(Producer::<2>::new(&memory, 0).err(), Some(BadMemory::Entries(0)));
    let short = BadMemory::Short { needed: words::<2>(8), found: memory.len() };
    assert_eq!(Consumer::<2>::new(&memory, 8).err(), Some(short));
}

#[test]
fn two_threads_pass_everything_on_in_order() {
    const COUNT: u64 = 20_000;
    let memory = memory();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut producer = Producer::<2>::new(&memory, ENTRIES).unwrap();
            for value in 0..COUNT {
                while !producer.push([value, value]).unwrap() {
                    std::thread::yield_now();
                }
                let _spinning = producer.publish();
            }
        });
        let mut consumer = Consumer::<2>::new(&memory, ENTRIES).unwrap();
        for value in 0..COUNT {
            let entry = loop {
                match consumer.pop().unwrap() {
                    Some(entry) => break entry,
                    None => std::thread::yield_now(),
                }
            };
            assert_eq!(entry, [value, value]);
            let _spinning = consumer.release();
        }
    });
}
