//! Time: nanoseconds from the clock that was chosen, and the one-shot timer that is set in them.
//!
//! That clock is the time-stamp counter unless measuring says otherwise (`kernel/core/src/machine/clock.rs`): another one takes at least
//! a hundred times as long to read.

use super::apic;
use super::calibration::{self, Measured};
use super::features::Features;
use super::reference::Reference;
use kernel_core::machine::clock::{self, REFERENCES, Unwrapped};
use spin::{Mutex, Once};

pub use super::stamps::stamp;

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
    /// What can keep time if the time-stamp counter cannot.
    spare: Option<(clock::Reference, Reference)>,
    /// What keeps time, if the time-stamp counter does not.
    counter: Once<Counter>,
}

/// A reference that keeps time.
struct Counter {
    reference: Reference,
    ticks: Mutex<Unwrapped>,
    /// Nanoseconds in one tick, times 2^32.
    nanoseconds_per_tick: u64,
    /// The time at its first tick.
    start: u64,
}

static CLOCK: Once<Clock> = Once::new();

/// Measures all clocks and chooses the one to keep time by. Time starts at `start`, a time-stamp.
pub fn calibrate(start: u64, features: Features, references: [Option<Reference>; REFERENCES]) {
    let Some(measured) = calibration::measure(&references) else {
        crate::panic::refuse(format_args!("no timer of this machine counts"));
    };
    let Measured { choice, nanoseconds, stamps, ticks } = measured;
    let spare = choice.spare.and_then(|name| Some((name, references.get(name as usize).copied().flatten()?)));
    let clock = CLOCK.call_once(|| Clock {
        start,
        nanoseconds_per_stamp: scale(nanoseconds, stamps),
        stamps_per_nanosecond: scale(stamps, nanoseconds),
        ticks_per_nanosecond: scale(ticks, nanoseconds),
        deadline_mode: features.tsc_deadline && choice.steady,
        spare,
        counter: Once::new(),
    });
    crate::log!("boot: clock: {choice}");
    if !choice.by_stamps() {
        clock.keep_by_spare(nanoseconds);
    }
}

/// The time-stamp counters of this processor and the one with this index show different times: another clock takes over.
pub fn distrust_stamps(processor: usize) {
    let Some(clock) = CLOCK.get().filter(|clock| clock.counter.get().is_none()) else { return };
    let differs = format_args!("the time-stamp counter of processor {processor} differs from that of processor 0");
    match clock.keep_by_spare(now()) {
        Some(name) => crate::log!("boot: clock: {differs}: the {name} keeps time"),
        None => crate::log!("boot: clock: {differs}, and nothing else keeps time"),
    }
}

impl Clock {
    /// Lets the spare keep time from now on, if there is one.
    fn keep_by_spare(&self, now: u64) -> Option<clock::Reference> {
        let (name, reference) = self.spare?;
        self.counter.call_once(|| Counter {
            reference,
            ticks: Mutex::new(Unwrapped::new(reference.read(), reference.mask)),
            nanoseconds_per_tick: scale(NANOSECONDS, reference.hertz.get()),
            start: now,
        });
        set_timer(u64::MAX);
        Some(name)
    }
}

impl Counter {
    fn now(&self) -> u64 {
        let mut ticks = self.ticks.lock();
        self.start + multiply(ticks.at(self.reference.read()), self.nanoseconds_per_tick)
    }

    /// Nanoseconds in which it goes half around.
    fn reach(&self) -> u64 {
        multiply(self.reference.mask / 2, self.nanoseconds_per_tick)
    }
}

/// Frequency of the time-stamp counter in Hz.
pub fn stamp_hertz() -> u64 {
    CLOCK.get().map_or(0, |clock| multiply(NANOSECONDS, clock.stamps_per_nanosecond))
}

/// Whether timers are set to a time-stamp.
pub fn deadline_mode() -> bool {
    CLOCK.get().is_some_and(|clock| clock.deadline_mode)
}

/// Nanoseconds since the kernel started; 0 until the clock is calibrated.
pub fn now() -> u64 {
    let Some(clock) = CLOCK.get() else { return 0 };
    match clock.counter.get() {
        None => multiply(stamp().saturating_sub(clock.start), clock.nanoseconds_per_stamp),
        Some(counter) => counter.now(),
    }
}

/// Arms this processor's timer for a point in time in nanoseconds; `u64::MAX` stops it. It may fire early; the core then arms it again.
pub fn set_timer(deadline: u64) {
    let Some(clock) = CLOCK.get() else { return };
    let ahead = match clock.counter.get() {
        None if deadline == u64::MAX => return stop_timer(clock),
        None => deadline.saturating_sub(now()),
        // The counter must be read before it has gone around, whether or not anybody waits for the timer.
        Some(counter) => deadline.saturating_sub(now()).min(counter.reach()),
    };
    if clock.deadline_mode {
        // A processor's timer goes by its own time-stamp counter.
        apic::set_timer_stamp(stamp() + multiply(ahead, clock.stamps_per_nanosecond));
    } else {
        // A deadline beyond the timer's reach fires early.
        apic::set_timer_ticks(multiply(ahead, clock.ticks_per_nanosecond).clamp(1, u64::from(u32::MAX)) as u32);
    }
}

/// This processor's timer has fired and is not armed any more.
pub fn fired() {
    if CLOCK.get().is_some_and(|clock| clock.counter.get().is_some()) {
        set_timer(u64::MAX);
    }
}

fn stop_timer(clock: &Clock) {
    if clock.deadline_mode {
        apic::set_timer_stamp(0);
    } else {
        apic::set_timer_ticks(0);
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
    ((u128::from(numerator) << 32) / u128::from(denominator.max(1))) as u64
}
