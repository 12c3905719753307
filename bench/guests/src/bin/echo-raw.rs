//! The echo service on the raw ring: each call is answered out of the slot in which it came.

use capos_abi::message::DeliveryHeader;
use capos_abi::ring::{Completion, Submission, flag, kind, op};
use capos_rt::ring::{self, Ring};
use capos_rt::startup;

/// Calls that may lie here unanswered.
const SLOTS: u32 = 4;
/// Bytes of a slot: the endpoint's longest message and its header.
const SLOT_BYTES: u32 = 4096 + HEADER_BYTES;
const HEADER_BYTES: u32 = size_of::<DeliveryHeader>() as u32;

fn main() {
    let endpoint = startup::capability("endpoint").expect("a program with offers gets its endpoint");
    ring::with(|ring| serve(ring, endpoint.handle));
}

fn serve(ring: &Ring, endpoint: u64) {
    let pool = Ring::message_offset(ring.arena.take(SLOTS * SLOT_BYTES).expect("the arena is empty"));
    let [receive, answer] = [ring.take_tag(), ring.take_tag()].map(|tag| tag.expect("no operation is pending"));
    ring.push(Submission {
        op: op::RECV,
        tag: receive,
        handle: endpoint,
        user_data: 1,
        message_offset: pool,
        result_bytes: SLOT_BYTES,
        arg: SLOTS.into(),
        ..Submission::default()
    });
    loop {
        ring.enter(1, 0);
        while let Some(done) = ring.next() {
            assert_eq!(done.kind, kind::DELIVERY, "nobody ends the reception: {done:?}");
            ring.push(Submission { tag: answer, ..echo(pool, &done) });
        }
    }
}

/// The answer to a delivered call: its own message.
fn echo(pool: u32, delivery: &Completion) -> Submission {
    Submission {
        op: op::RETURN,
        flags: flag::QUIET,
        message_offset: pool + u32::from(delivery.slot) * SLOT_BYTES + HEADER_BYTES,
        message_bytes: delivery.bytes - HEADER_BYTES,
        arg: delivery.value,
        ..Submission::default()
    }
}
