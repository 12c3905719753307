//! A blocking operation in the middle of others: it takes its own completion, wherever that stands, and no other.
use crate::model;
use capos_abi::ring::{Submission, op};
use capos_abi::status;
use capos_rt::{raw, ring};

/// More than the submission queue holds, less than the completion queue.
const ENTRIES: u64 = 100;

#[test]
fn a_blocking_operation_leaves_the_completions_of_others() {
    model::start(64 << 10, &[]);
    ring::with(|ring| {
        for number in 1..=ENTRIES {
            ring.push(Submission { op: op::NOP, user_data: number, ..Submission::default() });
            if number % 10 == 0 {
                let failure = raw::wait(0, 0, 1).unwrap_err();
                assert_eq!(failure.status, status::DEADLINE);
            }
        }
        ring.enter(0, 0);
        let read: Vec<u64> = std::iter::from_fn(|| ring.next()).map(|completion| completion.user_data).collect();
        assert_eq!(read, (1..=ENTRIES).collect::<Vec<_>>());
        assert_eq!(ring.unread(), 0);
    });
}

#[test]
fn positions_wrap() {
    model::start(16 << 10, &[]);
    ring::with(|ring| {
        for number in 1..=1000 {
            ring.push(Submission { op: op::NOP, user_data: number, ..Submission::default() });
            ring.enter(1, 0);
            assert_eq!(ring.next().map(|completion| completion.user_data), Some(number));
        }
        assert!(ring.next().is_none());
    });
}
