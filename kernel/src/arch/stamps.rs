//! The time-stamp counter, and whether those of two processors show the same time.
//!
//! One processor looks at its counter, asks the other for its, and looks again: what the other says must lie between. A difference
//! that this does not find is smaller than the time in which processors can tell each other anything.

use core::arch::asm;
use core::arch::x86_64::_rdtsc;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Questions that are asked.
const ROUNDS: u32 = 4;

/// Twice the number of questions answered, and one more while a question is open.
static TURN: AtomicU32 = AtomicU32::new(0);
static ANSWER: AtomicU64 = AtomicU64::new(0);
/// What every answer is ahead by, on purpose.
static SKEW: AtomicU64 = AtomicU64::new(0);

/// The time-stamp counter.
#[inline]
pub fn stamp() -> u64 {
    // SAFETY: every x86-64 processor has the instruction, and the kernel may always execute it.
    unsafe { _rdtsc() }
}

/// The time-stamp counter, after everything before has been done.
fn ordered_stamp() -> u64 {
    // SAFETY: the instruction waits for all before it, and does nothing else.
    unsafe { asm!("lfence", options(nostack, preserves_flags)) };
    stamp()
}

/// Asks the processor that is in [`answer`]; whether its counter shows the same time as this one's.
pub fn agree() -> bool {
    TURN.store(0, Ordering::Release);
    (0..ROUNDS).fold(true, |agree, round| {
        let before = ordered_stamp();
        TURN.store(2 * round + 1, Ordering::Release);
        wait_for(2 * round + 2);
        let answer = ANSWER.load(Ordering::Relaxed);
        agree && (before..=ordered_stamp()).contains(&answer)
    })
}

/// Answers the processor that is in [`agree`].
pub fn answer() {
    for round in 0..ROUNDS {
        wait_for(2 * round + 1);
        ANSWER.store(ordered_stamp() + SKEW.load(Ordering::Relaxed), Ordering::Relaxed);
        TURN.store(2 * round + 2, Ordering::Release);
    }
}

/// Lets every answer be ahead by so much: a violation that tests ask for.
pub fn skew(ticks: u64) {
    SKEW.store(ticks, Ordering::Relaxed);
}

fn wait_for(turn: u32) {
    while TURN.load(Ordering::Acquire) != turn {
        core::hint::spin_loop();
    }
}
