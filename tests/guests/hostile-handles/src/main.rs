//! Calls through handles that it was never given. None may work. Arguments: `count=N`, `seed=N`.

use campaign::argument;
use capos_abi::interface::null;
use capos_abi::status;
use capos_rt::raw::{self, Message};
use capos_rt::startup;
use fastrand::Rng;
use std::process::ExitCode;

fn main() -> ExitCode {
    let (Ok(Some(count)), Ok(Some(seed))) = (argument::<u64>("count"), argument("seed")) else {
        println!("hostile-handles: how many, by which seed?");
        return ExitCode::FAILURE;
    };
    let own: Vec<u64> = startup::capabilities().map(|(_, capability)| capability.handle).collect();
    let null = startup::capability("null").map(|capability| capability.handle);
    if null.is_none_or(|null| call(null) != status::OK) {
        println!("hostile-handles: the granted handle does not work");
        return ExitCode::FAILURE;
    }
    let mut random = Rng::with_seed(seed);
    let forged = (0..count).map(|_| forge(&own, &mut random)).filter(|handle| !own.contains(handle));
    for handle in forged {
        if call(handle) != status::STALE {
            println!("hostile-handles: {handle:#x} was never given, but gives {}", call(handle));
            return ExitCode::FAILURE;
        }
    }
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
