//! Time: nanoseconds from the time-stamp counter, and the one-shot timer that is set in them.

use super::apic;
use super::features::Features;
use core::arch::x86_64::_rdtsc;
use spin::Once;
use x86_64::instructions::port::Port;

/// Frequency of the PIT, which both clocks are measured against.
const PIT_HERTZ: u64 = 1_193_182;
/// Ticks of the PIT that the measurement takes: 4 ms.
const PIT_TICKS: u16 = 4773;
/// The speaker port starts the PIT's channel 2 and shows its output.
const SPEAKER_PORT: u16 = 0x61;
/// Rounds after which a PIT that does not count is given up.
const PIT_ROUNDS: u32 = 100_000_000;
/// Frequency of the time-stamp counter where there is no PIT to measure it: what emulators choose.
const ASSUMED_HERTZ: u64 = 1_000_000_000;
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
pub fn calibrate(start: u64, features: Features) {
    let measured = measure();
    let (stamps, ticks) = measured.unwrap_or((scale(ASSUMED_HERTZ, NANOSECONDS), scale(ASSUMED_HERTZ, NANOSECONDS)));
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
    (u128::from(value) * u128::from(factor) >> 32) as u64
}

/// `numerator / denominator * 2^32`.
fn scale(numerator: u64, denominator: u64) -> u64 {
    ((u128::from(numerator) << 32) / u128::from(denominator)) as u64
}

/// Ticks per nanosecond, times 2^32, of the time-stamp counter and of the timer; `None`: there is no PIT.
fn measure() -> Option<(u64, u64)> {
    apic::start_counting();
    let mut speaker = Port::<u8>::new(SPEAKER_PORT);
    let (mut command, mut channel) = (Port::<u8>::new(0x43), Port::<u8>::new(0x42));
    let [low, high] = PIT_TICKS.to_le_bytes();
    // SAFETY: the kernel owns the PIT: channel 2, counting down once, with the speaker off.
    unsafe {
        let gate = speaker.read() & !0b10;
        speaker.write(gate & !1);
        command.write(0xb0);
        channel.write(low);
        channel.write(high);
        speaker.write(gate | 1);
    }
    let (stamp_before, tick_before) = (stamp(), apic::counted());
    // SAFETY: as above; bit 5 is the channel's output.
    let done = (0..PIT_ROUNDS).any(|_| unsafe { speaker.read() } & 0x20 != 0);
    let (stamps, ticks) = (stamp() - stamp_before, apic::counted() - tick_before);
    let nanoseconds = u64::from(PIT_TICKS) * NANOSECONDS / PIT_HERTZ;
    done.then(|| (scale(stamps, nanoseconds), scale(u64::from(ticks), nanoseconds)))
}
