//! Time: nanoseconds from the time-stamp counter, and the one-shot timer that is set in them.

use super::apic;
use super::features::Features;
use super::reference::Reference;
use core::arch::x86_64::_rdtsc;
use spin::Once;

/// How long the measurement takes, in nanoseconds.
const MEASURED_TIME: u64 = 4_000_000;
/// Samples of which the quickest counts: the others were interrupted by whatever runs this machine.
const SAMPLES: u32 = 8;
const NANOSECONDS: u64 = 1_000_000_000;

/// The measured clocks.
struct Clock {
    /// Time-stamp at which the kernel's time started.
    start: u64,
    /// Nanoseconds in one tick of the time-stamp counter, times 2^32.
    nanoseconds_per_stamp: u64,
    /// Ticks of the time-stamp counter in one nanosecond, times 2^32.
    stamps_per_nanosecond: u64,
    /// Ticks of the local APIC's timer in one nanosecond, times 2^32.
    ticks_per_nanosecond: u64,
    /// The timer is set to a time-stamp, not to a number of ticks.
    deadline_mode: bool,
}

static CLOCK: Once<Clock> = Once::new();

/// Measures the time-stamp counter and the local APIC's timer. Time starts at `start`, a time-stamp.
pub fn calibrate(start: u64, features: Features, reference: Reference) {
    let (stamps, ticks) = measure(&reference);
    let nanoseconds_per_stamp = ((1u128 << 64) / u128::from(stamps.max(1))) as u64;
    CLOCK.call_once(|| Clock {
        start,
        nanoseconds_per_stamp,
        stamps_per_nanosecond: stamps,
        ticks_per_nanosecond: ticks,
        deadline_mode: features.tsc_deadline,
    });
}

/// Frequency of the time-stamp counter in Hz.
pub fn stamp_hertz() -> u64 {
    CLOCK.get().map_or(0, |clock| multiply(NANOSECONDS, clock.stamps_per_nanosecond))
}

/// Nanoseconds since the kernel started; 0 until the clock is calibrated.
pub fn now() -> u64 {
    CLOCK.get().map_or(0, |clock| multiply(stamp().saturating_sub(clock.start), clock.nanoseconds_per_stamp))
}

/// The time-stamp counter.
pub fn stamp() -> u64 {
    // SAFETY: every x86-64 processor has the instruction, and the kernel may always execute it.
    unsafe { _rdtsc() }
}

/// Arms this processor's timer for a point in time in nanoseconds; `u64::MAX` stops it.
pub fn set_timer(deadline: u64) {
    let Some(clock) = CLOCK.get() else { return };
    match (clock.deadline_mode, deadline) {
        (true, u64::MAX) => apic::set_timer_stamp(0),
        (true, _) => apic::set_timer_stamp(clock.start + multiply(deadline, clock.stamps_per_nanosecond)),
        (false, u64::MAX) => apic::set_timer_ticks(0),
        (false, _) => {
            let ticks = multiply(deadline.saturating_sub(now()), clock.ticks_per_nanosecond);
            // A deadline beyond the counter's reach fires early; the core then arms the timer again.
            apic::set_timer_ticks(ticks.clamp(1, u64::from(u32::MAX)) as u32);
        }
    }
}

/// Waits at least so long.
pub fn wait(nanoseconds: u64) {
    let end = now() + nanoseconds;
    while now() < end {
        core::hint::spin_loop();
    }
}

/// `value * factor / 2^32`.
fn multiply(value: u64, factor: u64) -> u64 {
    ((u128::from(value) * u128::from(factor)) >> 32) as u64
}

/// `numerator / denominator * 2^32`.
fn scale(numerator: u64, denominator: u64) -> u64 {
    ((u128::from(numerator) << 32) / u128::from(denominator)) as u64
}

/// All clocks at one moment.
struct Sample {
    stamp: u64,
    ticks: u32,
    reference: u32,
}

/// Ticks per nanosecond, times 2^32, of the time-stamp counter and of the timer.
fn measure(reference: &Reference) -> (u64, u64) {
    apic::start_counting();
    let start = sample(reference);
    let wanted = MEASURED_TIME * reference.hertz() / NANOSECONDS;
    while u64::from(reference.since(start.reference)) < wanted {
        core::hint::spin_loop();
    }
    let end = sample(reference);
    let ticks = u64::from(reference.between(start.reference, end.reference));
    let nanoseconds = (ticks * NANOSECONDS / reference.hertz()).max(1);
    (scale(end.stamp - start.stamp, nanoseconds), scale(u64::from(end.ticks - start.ticks), nanoseconds))
}

/// The clocks, read within the shortest of several times.
fn sample(reference: &Reference) -> Sample {
    let mut best = (u64::MAX, Sample { stamp: 0, ticks: 0, reference: 0 });
    for _ in 0..SAMPLES {
        let before = stamp();
        let (reference, ticks) = (reference.read(), apic::counted());
        let duration = stamp() - before;
        if duration < best.0 {
            best = (duration, Sample { stamp: before, ticks, reference });
        }
    }
    best.1
}
