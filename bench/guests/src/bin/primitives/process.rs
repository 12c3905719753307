//! Calls to another process on the raw ring: small, large, and with a capability.

use super::SAMPLES;
use bench_guests::exchange::Exchange;
use bench_guests::measure;
use capos_rt::ring::Ring;
use capos_rt::startup;

/// Words of a small message: 64 bytes.
const SMALL: usize = 8;
/// Words of a large message: 4 KiB, the most that an endpoint takes unless it was made for more.
const LARGE: usize = 512;

/// Measures them all.
pub fn rows(ring: &Ring) {
    let copied = startup::capability("null").expect("the manifest grants it").handle;
    row::<SMALL>("ipc.raw.64", Exchange::new::<SMALL>(ring, None));
    row::<LARGE>("ipc.raw.4096", Exchange::new::<LARGE>(ring, None));
    row::<SMALL>("ipc.raw.cap1", Exchange::new::<SMALL>(ring, Some(copied)));
}

fn row<const WORDS: usize>(name: &str, exchange: Exchange<'_>) {
    let mut round = 0;
    measure(name, SAMPLES, 1, || {
        round += 1;
        exchange.exchange::<WORDS>(round)
    });
}
