//! Calls the raw echo service that it was given, again and again, on the processor of the number that is its argument.

use bench_guests::exchange::Exchange;
use bench_guests::share::stay_on;
use capos_rt::ring;
use std::process::ExitCode;

/// Calls.
const ROUNDS: u64 = 10_000;
/// Words of a call: 64 bytes.
const WORDS: usize = 8;

fn main() -> ExitCode {
    let number = std::env::args().nth(1).and_then(|argument| argument.parse().ok());
    if number.is_none_or(|number| stay_on(number).is_err()) {
        return ExitCode::FAILURE;
    }
    let good = ring::with(|ring| {
        let exchange = Exchange::new::<WORDS>(ring, None);
        (0..ROUNDS).all(|round| exchange.exchange::<WORDS>(round))
    });
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
