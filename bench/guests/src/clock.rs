//! The instruction counter. The emulator that measures counts one tick for each instruction.

use std::arch::asm;
use std::arch::x86_64::_rdtsc;

/// Measurements of the same operation.
pub struct Samples {
    ticks: Vec<u64>,
}

impl Samples {
    /// Measures `operation` as often as told.
    pub fn take(count: usize, mut operation: impl FnMut()) -> Samples {
        let mut ticks = Vec::with_capacity(count);
        begin_section();
        for _ in 0..count {
            let start = now();
            operation();
            ticks.push(now() - start);
        }
        end_section();
        Samples { ticks }
    }

    /// The same for an operation that waits; the first error ends it.
    pub async fn take_async<E>(count: usize, mut operation: impl AsyncFnMut() -> Result<(), E>) -> Result<Samples, E> {
        let mut ticks = Vec::with_capacity(count);
        begin_section();
        for _ in 0..count {
            let start = now();
            operation().await?;
            ticks.push(now() - start);
        }
        end_section();
        Ok(Samples { ticks })
    }

    /// The middle one, less what the measurement itself costs: interrupts in between don't count.
    pub fn median(mut self) -> u64 {
        let overhead = if self.ticks.is_empty() { 0 } else { empty(self.ticks.len()) };
        self.ticks.sort_unstable();
        self.ticks.get(self.ticks.len() / 2).map_or(0, |ticks| ticks.saturating_sub(overhead))
    }
}

/// The middle cost of measuring nothing.
fn empty(count: usize) -> u64 {
    let mut ticks: Vec<u64> =
        (0..count).map(|_| std::hint::black_box(now().wrapping_neg().wrapping_add(now()))).collect();
    ticks.sort_unstable();
    ticks[count / 2]
}

/// The counter.
pub fn now() -> u64 {
    // SAFETY: every processor of the target has the counter, and the kernel lets programs read it.
    unsafe { _rdtsc() }
}

/// Tells a profiler that samples begin: an instruction that does nothing, as `bench/profile/plugin.c` knows it.
fn begin_section() {
    // SAFETY: `nopl 0x63617001(%rax)` accesses nothing.
    unsafe { asm!(".byte 0x0f, 0x1f, 0x80, 0x01, 0x70, 0x61, 0x63", options(nostack, preserves_flags)) };
}

/// Tells a profiler that they have ended.
fn end_section() {
    // SAFETY: as in `begin_section`.
    unsafe { asm!(".byte 0x0f, 0x1f, 0x80, 0x02, 0x70, 0x61, 0x63", options(nostack, preserves_flags)) };
}
