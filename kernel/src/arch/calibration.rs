//! Watching all clocks of the machine at once, for a few milliseconds.

use super::apic;
use super::reference::Reference;
use super::stamps::stamp;
use core::array;
use kernel_core::machine::clock::{self, Choice, REFERENCES, Window};

/// Samples of which the quickest counts: the others were interrupted by whatever runs this machine.
const SAMPLES: u32 = 8;
/// Measurements at most, if the clocks disagree: something may have come in between.
const ATTEMPTS: usize = 3;
/// Looks at the clocks in one window at most, at least a microsecond each: if none of them counts, it ends all the same.
const MAX_LOOKS: u32 = 1 << 16;
const NANOSECONDS: u64 = 1_000_000_000;

/// How fast the clocks are.
pub struct Measured {
    /// Which one to keep time by.
    pub choice: Choice,
    /// How long they were watched, by the reference of the choice.
    pub nanoseconds: u64,
    /// How far the time-stamp counter went.
    pub stamps: u64,
    /// How far the local APIC's timer went.
    pub ticks: u64,
}

/// Measures the time-stamp counter and the local APIC's timer against the references. `None`: none of these counts.
pub fn measure(references: &[Option<Reference>; REFERENCES]) -> Option<Measured> {
    let mut measured = measure_once(references);
    for _ in 1..ATTEMPTS {
        if measured.as_ref().is_some_and(|measured| measured.choice.is_unanimous()) {
            break;
        }
        measured = measure_once(references).or(measured);
    }
    measured
}

fn measure_once(references: &[Option<Reference>; REFERENCES]) -> Option<Measured> {
    apic::start_counting();
    let start = Sample::quickest(references);
    let middle = watch(references, &start);
    let end = watch(references, &middle);
    let windows = [start.until(&middle, references), middle.until(&end, references)];
    let choice = clock::choose(&windows)?;
    let whole = start.until(&end, references);
    Some(Measured {
        choice,
        nanoseconds: whole.references.get(choice.reference as usize).copied().flatten()?,
        stamps: whole.stamps,
        ticks: u64::from(end.ticks.wrapping_sub(start.ticks)),
    })
}

/// All clocks at one moment.
#[derive(Clone, Copy)]
struct Sample {
    stamp: u64,
    ticks: u32,
    references: [u64; REFERENCES],
}

/// Waits until a window that began at `start` is over.
fn watch(references: &[Option<Reference>; REFERENCES], start: &Sample) -> Sample {
    for _ in 0..MAX_LOOKS {
        if start.until(&Sample::now(references), references).is_over() {
            break;
        }
    }
    Sample::quickest(references)
}

impl Sample {
    fn now(references: &[Option<Reference>; REFERENCES]) -> Sample {
        let stamp = stamp();
        let counts = references.map(|reference| reference.map_or(0, |reference| reference.read()));
        Sample { stamp, ticks: apic::counted(), references: counts }
    }

    /// The clocks, read within the shortest of several times.
    fn quickest(references: &[Option<Reference>; REFERENCES]) -> Sample {
        let mut best = (u64::MAX, Sample::now(references));
        for _ in 0..SAMPLES {
            let sample = Sample::now(references);
            let duration = stamp().saturating_sub(sample.stamp);
            if duration < best.0 {
                best = (duration, sample);
            }
        }
        best.1
    }

    /// How far each clock went until `end`.
    fn until(&self, end: &Sample, references: &[Option<Reference>; REFERENCES]) -> Window {
        let elapsed = |index: usize| {
            let reference = references.get(index).copied().flatten()?;
            let (start, end) = (self.references.get(index)?, end.references.get(index)?);
            Some(reference.between(*start, *end) * NANOSECONDS / reference.hertz)
        };
        Window { stamps: end.stamp.saturating_sub(self.stamp), references: array::from_fn(elapsed) }
    }
}
