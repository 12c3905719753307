//! Calls through handles that it was never given, as often as its argument says. None may work.

use capos_abi::interface::null;
use capos_abi::status;
use capos_rt::raw::{self, Message};
use capos_rt::startup;
use fastrand::Rng;
use std::process::ExitCode;

/// Seed of the handles, so that a failure can be repeated.
const SEED: u64 = 0xcab05;

fn main() -> ExitCode {
    let count = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(1000);
    let own: Vec<u64> = startup::capabilities().map(|(_, capability)| capability.handle).collect();
    let null = startup::capability("null").map(|capability| capability.handle);
    if null.is_none_or(|null| call(null) != status::OK) {
        println!("hostile-handles: the granted handle does not work");
        return ExitCode::FAILURE;
    }
    println!("hostile-handles: {count} handles");
    let mut random = Rng::with_seed(SEED);
    let forged = (0..count).map(|_| forge(&own, &mut random)).filter(|handle| !own.contains(handle));
    for handle in forged {
        if call(handle) != status::STALE {
            println!("hostile-handles: {handle:#x} was never given, but gives {}", call(handle));
            return ExitCode::FAILURE;
        }
    }
    println!("hostile-handles: done");
    ExitCode::SUCCESS
}

/// A handle that is random, or nearly one of the own.
fn forge(own: &[u64], random: &mut Rng) -> u64 {
    let near = random.choice(own).copied().unwrap_or_default();
    match random.u8(0..4) {
        0 => random.u64(..),
        1 => near ^ 1 << random.u32(0..64),
        2 => near.wrapping_add(u64::from(random.u16(..)) << 32),
        _ => near & !0xffff_ffff | u64::from(random.u32(..)),
    }
}

fn call(handle: u64) -> i32 {
    match raw::call(handle, null::ID, null::call::METHOD, &Message::new(null::call::params::SHAPE), 0) {
        Ok(_) => status::OK,
        Err(failure) => failure.status,
    }
}
