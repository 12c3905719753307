//! What the benchmark guests share: the instruction counter, the figure of many samples, the result line.

pub mod clock;
pub mod report;

pub use clock::Samples;
pub use report::Figure;
