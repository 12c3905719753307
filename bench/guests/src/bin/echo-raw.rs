//! The echo service on the raw ring: each call is answered out of the slot in which it came. What capabilities come are
//! given up at once. With an argument, it stays on the processor of that number.

use bench_guests::share::stay_on;
use capos_abi::message::DeliveryHeader;
use capos_abi::ring::{Completion, Submission, flag, kind, op};
use capos_rt::raw;
use capos_rt::ring::{self, Ring};
use capos_rt::startup;

/// Calls that may lie here unanswered.
const SLOTS: u32 = 4;
/// Capabilities that a call may have.
const ACCEPTED: u8 = 1;
/// Bytes of a slot: a header, a handle, and the endpoint's longest message.
const SLOT_BYTES: u32 = HEADER_BYTES + HANDLE_BYTES * ACCEPTED as u32 + 4096;
const HEADER_BYTES: u32 = size_of::<DeliveryHeader>() as u32;
const HANDLE_BYTES: u32 = 8;

fn main() {
    if let Some(number) = std::env::args().nth(1) {
        stay_on(number.parse().expect("the argument is a number")).expect("the manifest grants what it takes");
    }
    let endpoint = startup::capability("endpoint").expect("a program with offers gets its endpoint");
    ring::with(|ring| serve(ring, endpoint.handle));
}

fn serve(ring: &Ring, endpoint: u64) {
    let pool = ring.arena.take(SLOTS * SLOT_BYTES).expect("the arena is empty");
    let [receive, answer] = [ring.take_tag(), ring.take_tag()].map(|tag| tag.expect("no operation is pending"));
    ring.push(Submission {
        op: op::RECV,
        caps: ACCEPTED << 4,
        tag: receive,
        handle: endpoint,
        user_data: 1,
        message_offset: Ring::message_offset(pool),
        result_bytes: SLOT_BYTES,
        arg: SLOTS.into(),
        ..Submission::default()
    });
    loop {
        ring.enter(1, 0);
        while let Some(done) = ring.next() {
            assert_eq!(done.kind, kind::DELIVERY, "nobody ends the reception: {done:?}");
            let body = u32::from(done.slot) * SLOT_BYTES + HEADER_BYTES;
            for cap in 0..u32::from(done.caps) {
                let place = ring.message(pool).wrapping_byte_add((body + cap * HANDLE_BYTES) as usize);
                // SAFETY: the slot belongs to this program until its RETURN, and so many handles stand behind the header.
                raw::release(unsafe { place.read_volatile() });
            }
            ring.push(Submission { tag: answer, ..echo(Ring::message_offset(pool) + body, &done) });
        }
    }
}

/// The answer to a delivered call: its own message, without capabilities. `body` is where they start.
fn echo(body: u32, delivery: &Completion) -> Submission {
    let handles = u32::from(delivery.caps) * HANDLE_BYTES;
    Submission {
        op: op::RETURN,
        flags: flag::QUIET,
        message_offset: body + handles,
        message_bytes: delivery.bytes - HEADER_BYTES - handles,
        arg: delivery.value,
        ..Submission::default()
    }
}
