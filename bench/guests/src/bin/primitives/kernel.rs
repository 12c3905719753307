//! Entries that the kernel answers itself: nothing, and calls of an object that does nothing.

use super::SAMPLES;
use bench_guests::measure;
use capos_abi::interface::null;
use capos_abi::ring::{SUBMISSION_ENTRIES, Submission, op};
use capos_abi::status;
use capos_rt::arena::Range;
use capos_rt::ring::Ring;
use capos_rt::startup;

/// Operations of a batch.
const BATCH: u64 = SUBMISSION_ENTRIES as u64;

/// Measures them all.
pub fn rows(ring: &Ring) {
    let results = ring.arena.take_usual().expect("space");
    let call = null_call(results);
    batch(ring, "ring.nop.batch64", &Submission { op: op::NOP, ..Submission::default() });
    let tag = ring.take_tag().expect("no operation is pending");
    let alone = &Submission { tag, user_data: 1, ..call };
    measure("call.null.single", SAMPLES, 1, || single(ring, alone));
    ring.give_tag(tag);
    batch(ring, "call.null.batch64", &call);
    ring.arena.give(results);
}

/// A call without parameters, whose results, all equal, go to one place.
fn null_call(results: Range) -> Submission {
    Submission {
        op: op::CALL,
        handle: startup::capability("null").expect("the manifest grants it").handle,
        interface: null::ID,
        method: null::call::METHOD,
        result_offset: Ring::message_offset(results),
        result_bytes: results.bytes,
        ..Submission::default()
    }
}

/// Measures a batch of equal entries; every one of them has to succeed, once.
fn batch(ring: &Ring, name: &str, entry: &Submission) {
    let tags: Vec<u16> = (0..BATCH).map(|_| ring.take_tag().expect("no operation is pending")).collect();
    measure(name, SAMPLES, BATCH, || {
        tags.iter().for_each(|&tag| ring.push(Submission { tag, user_data: u64::from(tag) + 1, ..*entry }));
        ring.enter(BATCH as u32, 0);
        let (mut good, mut count, mut sum) = (true, 0, 0);
        while let Some(done) = ring.next() {
            good &= done.status == status::OK;
            (count, sum) = (count + 1, sum + done.user_data);
        }
        good && count == BATCH && sum == tags.iter().map(|&tag| u64::from(tag) + 1).sum::<u64>()
    });
    tags.iter().for_each(|&tag| ring.give_tag(tag));
}

/// Runs one entry; whether it succeeded.
fn single(ring: &Ring, entry: &Submission) -> bool {
    ring.push(*entry);
    ring.enter(1, 0);
    ring.next().is_some_and(|done| done.status == status::OK)
}
