//! What the benchmark guests share: the instruction counter, the figure of many samples, the result line.

pub mod clock;
pub mod exchange;
mod measure;
pub mod queue;
pub mod report;
pub mod share;
pub mod work;

pub use clock::Samples;
pub use measure::{INSTRUCTIONS, measure, measure_async, measure_ticks, shut_down};
pub use report::Figure;
