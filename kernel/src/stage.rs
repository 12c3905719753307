//! The stages of the boot: what was done, and when it was over, in ticks of the time-stamp counter.
//!
//! [`report`] writes two lines to the log, which tools read (`docs/src/boot.md`, "How long it takes").

use crate::arch::clock;
use core::fmt::Write;
use kernel_core::log::Line;
use spin::Mutex;

/// Stages at most; what comes behind them is not recorded.
const MAX_STAGES: usize = 16;

/// A stage that is over.
#[derive(Clone, Copy)]
struct Stage {
    name: &'static str,
    end: u64,
}

/// All stages so far.
struct Stages {
    entry: u64,
    count: usize,
    stages: [Stage; MAX_STAGES],
}

static STAGES: Mutex<Stages> =
    Mutex::new(Stages { entry: 0, count: 0, stages: [Stage { name: "", end: 0 }; MAX_STAGES] });

/// The kernel was entered at this time stamp.
pub fn entered(stamp: u64) {
    STAGES.lock().entry = stamp;
}

/// The stage `name` is over now.
pub fn end(name: &'static str) {
    let end = clock::stamp();
    let mut stages = STAGES.lock();
    let count = stages.count;
    if let Some(place) = stages.stages.get_mut(count) {
        *place = Stage { name, end };
        stages.count += 1;
    }
}

/// Gives the lines that say how long the boot took, and each stage of it.
pub fn report(mut line: impl FnMut(&str)) {
    let stages = STAGES.lock();
    let done = stages.stages.get(..stages.count).unwrap_or_default();
    let total = done.last().map_or(0, |stage| stage.end.saturating_sub(stages.entry));
    let (mut head, mut list) = (Line::new(), Line::new());
    // A line that is too long is cut; writing never fails.
    let _ = write!(head, "boot: {total} ticks from the entry to init");
    let _ = write!(list, "boot: stages");
    let mut start = stages.entry;
    for stage in done {
        let _ = write!(list, " {}={}", stage.name, stage.end.saturating_sub(start));
        start = stage.end;
    }
    line(head.as_str());
    line(list.as_str());
}
