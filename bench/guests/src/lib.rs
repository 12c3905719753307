//! What the benchmark guests share: the instruction counter, the figure of many samples, the result line.

pub mod clock;
mod measure;
pub mod report;
pub mod work;

pub use clock::Samples;
pub use measure::{INSTRUCTIONS, measure, measure_async, shut_down};
pub use report::Figure;
