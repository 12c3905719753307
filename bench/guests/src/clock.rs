//! The instruction counter. The emulator that measures counts one tick for each instruction.

use std::arch::x86_64::_rdtsc;

/// Measurements of the same operation.
pub struct Samples {
    ticks: Vec<u64>,
}

impl Samples {
    /// Measures `operation` as often as told.
    pub fn take(count: usize, mut operation: impl FnMut()) -> Samples {
        let mut ticks = Vec::with_capacity(count);
        for _ in 0..count {
            let start = now();
            operation();
            ticks.push(now() - start);
        }
        Samples { ticks }
    }

    /// The same for an operation that waits; the first error ends it.
    pub async fn take_async<E>(count: usize, mut operation: impl AsyncFnMut() -> Result<(), E>) -> Result<Samples, E> {
        let mut ticks = Vec::with_capacity(count);
        for _ in 0..count {
            let start = now();
            operation().await?;
            ticks.push(now() - start);
        }
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
