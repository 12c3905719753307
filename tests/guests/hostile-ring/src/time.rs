//! The time, without the kernel: by the counter of the processor, once both were compared.

use capos_rt::objects::monotonic_nanoseconds;
use capos_rt::startup;
use std::arch::x86_64::_rdtsc;

/// Ticks for which the two are compared.
const TICKS: u64 = 1_000_000;

/// How time and counter stand to each other.
#[derive(Clone, Copy)]
pub struct Time {
    nanoseconds: u64,
    ticks: u64,
    ticks_per_microsecond: u64,
}

impl Time {
    /// Compares them; needs the slot `clock`.
    pub fn compare() -> Option<Time> {
        let (nanoseconds, ticks) = (monotonic_nanoseconds(startup::clock()?).ok()?, counter());
        while counter() - ticks < TICKS {}
        let passed = monotonic_nanoseconds(startup::clock()?).ok()?.saturating_sub(nanoseconds) / 1000;
        Some(Time { nanoseconds, ticks, ticks_per_microsecond: (counter() - ticks) / passed.max(1) })
    }

    /// About the time now.
    pub fn now(&self) -> u64 {
        self.nanoseconds + counter().saturating_sub(self.ticks) * 1000 / self.ticks_per_microsecond.max(1)
    }
}

fn counter() -> u64 {
    // SAFETY: every processor of the target has the counter, and the kernel lets programs read it.
    unsafe { _rdtsc() }
}
