//! The work whose speed-up is measured: computing, with a call of the kernel now and then.

use capos_abi::interface::null;
use capos_rt::raw::{Message, call};
use capos_rt::startup;
use std::hint::black_box;

/// Times that the kernel is called.
const ROUNDS: u32 = 4000;
/// Steps of computing before each call.
const STEPS: u32 = 4000;

/// Does the work once; whether every call did what it should.
pub fn work() -> bool {
    let Some(target) = startup::capability("null") else { return false };
    let mut value = 1;
    (0..ROUNDS).all(|_| {
        value = compute(value);
        call(target.handle, null::ID, null::call::METHOD, &Message::new(null::call::params::SHAPE), 0).is_ok()
    })
}

fn compute(start: u64) -> u64 {
    (0..STEPS).fold(start, |mut value, _| {
        value ^= value << 13;
        value ^= value >> 7;
        value ^= value << 17;
        black_box(value)
    })
}
