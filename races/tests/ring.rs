//! The two sides of a ring: the kernel posts on one processor, while the thread reads on another.

use capos_abi::ring::{COMPLETION_ENTRIES, Completion, DEFAULT_AREA_BYTES, Header, SUBMISSION_ENTRIES, Submission};
use kernel_core::memory::frame::Frame;
use kernel_core::platform::RingArea;
use races::mm::ring_area;
use races::{memory, model, ring};
use std::mem::offset_of;

/// The thread's ring, and its area as the kernel names it.
fn attach() -> RingArea {
    let start = memory::area();
    let area = RingArea::new(Frame::containing(start.addr() as u64), DEFAULT_AREA_BYTES);
    // SAFETY: a header of numbers starts the area, which nobody else uses yet.
    unsafe {
        (*start.cast::<Header>()).arena_bytes = DEFAULT_AREA_BYTES - capos_abi::ring::ARENA_OFFSET;
        ring::attach(start, 0);
    }
    area
}

fn completion(number: u64) -> Completion {
    Completion { user_data: number, value: !number, ..Completion::default() }
}

/// Reads the next completion, when it is there.
fn next() -> Completion {
    loop {
        if let Some(found) = ring::with(|ring| ring.next()) {
            return found;
        }
        loom::thread::yield_now();
    }
}

#[test]
fn a_published_completion_is_whole() {
    model(|| {
        let area = attach();
        let kernel = loom::thread::spawn(move || {
            for position in 0..2 {
                ring_area::post(area, position, &completion(u64::from(position) + 1));
                ring_area::publish_completion_tail(area, position + 1);
            }
        });
        assert_eq!([next(), next()], [completion(1), completion(2)]);
        kernel.join().expect("it ends");
    });
}

#[test]
fn a_place_is_used_again_only_when_it_was_read() {
    model(|| {
        let area = attach();
        for position in 0..COMPLETION_ENTRIES {
            ring_area::post(area, position, &completion(u64::from(position) + 1));
        }
        ring_area::publish_completion_tail(area, COMPLETION_ENTRIES);
        let kernel = loom::thread::spawn(move || {
            while ring_area::completion_head(area) == 0 {
                loom::thread::yield_now();
            }
            ring_area::post(area, COMPLETION_ENTRIES, &completion(1000));
            ring_area::publish_completion_tail(area, COMPLETION_ENTRIES + 1);
        });
        assert_eq!(next(), completion(1));
        kernel.join().expect("it ends");
    });
}

#[test]
fn a_submission_that_the_tail_shows_is_whole() {
    model(|| {
        let area = attach();
        let kernel = loom::thread::spawn(move || {
            while ring_area::submission_tail(area) == 0 {
                loom::thread::yield_now();
            }
            assert_eq!(ring_area::submission(area, 0, ring_area::submission_head(area, 0)).user_data, 7);
            ring_area::publish_submission_head(area, 1);
        });
        ring::with(|ring| ring.push(Submission { user_data: 7, ..Submission::default() }));
        kernel.join().expect("it ends");
    });
}

#[test]
fn a_submission_is_written_over_only_when_it_has_started() {
    model(|| {
        let area = attach();
        let entry = |number: u32| Submission { user_data: number.into(), ..Submission::default() };
        (0..SUBMISSION_ENTRIES).for_each(|number| ring::with(|ring| ring.push(entry(number))));
        let kernel = loom::thread::spawn(move || {
            let first = ring_area::submission(area, 0, ring_area::submission_head(area, 0));
            ring_area::publish_submission_head(area, 1);
            assert_eq!(first.user_data, 0);
        });
        while ring::with(|ring| ring.started()) == 0 {
            loom::thread::yield_now();
        }
        ring::with(|ring| ring.push(entry(SUBMISSION_ENTRIES)));
        kernel.join().expect("it ends");
    });
}

#[test]
fn an_operation_does_not_wait_for_more_than_its_own_completion() {
    model(|| {
        let area = attach();
        let kernel = loom::thread::spawn(move || {
            while ring_area::submission_tail(area) == 0 {
                loom::thread::yield_now();
            }
            let own = ring_area::submission_user_data(area, 0);
            for (position, number) in [(0, 7), (1, own)] {
                ring_area::post(area, position, &completion(number));
                ring_area::publish_completion_tail(area, position + 1);
            }
        });
        let own = ring::with(|ring| ring.run(Submission::default()));
        assert_eq!(own, completion(own.user_data));
        assert_eq!(next(), completion(7));
        kernel.join().expect("it ends");
    });
}

#[test]
fn positions_lie_where_both_sides_look() {
    assert_eq!(offset_of!(Header, sq_tail) % 64, 0);
    assert_eq!(offset_of!(Header, cq_head) % 64, 0);
}
