//! Measuring one row: many samples of an operation that checks itself.

use crate::{Figure, Samples};
use capos_service::{Context, Failure};
use schema::system_control_capnp::system_control;

/// What is counted.
pub const INSTRUCTIONS: &str = "instructions";
/// The same on a machine whose processors run at the same time: the host's clock.
pub const TICKS: &str = "ticks";

/// Measures `operation`, which works on `batch` things at once and answers whether its results were right, and says the row.
pub fn measure(name: &str, count: usize, batch: u64, mut operation: impl FnMut() -> bool) {
    let mut verified = true;
    let samples = Samples::take(count, || verified &= operation());
    say(name, samples, batch, verified);
}

/// The same for an operation that waits.
pub async fn measure_async(
    name: &str,
    count: usize,
    batch: u64,
    mut operation: impl AsyncFnMut() -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let mut verified = true;
    let samples = Samples::take_async(count, async || {
        verified &= operation().await?;
        Ok::<_, Failure>(())
    });
    say(name, samples.await?, batch, verified);
    Ok(())
}

fn say(name: &str, samples: Samples, batch: u64, verified: bool) {
    Figure { name, value: samples.median() as f64 / batch as f64, unit: INSTRUCTIONS, verified }.say();
}

/// Says a row whose operation was measured in ticks that are no instructions: figures of one host in one run.
pub fn measure_ticks(name: &str, count: usize, mut operation: impl FnMut() -> bool) {
    let mut verified = true;
    let samples = Samples::take(count, || verified &= operation());
    Figure { name, value: samples.median() as f64, unit: TICKS, verified }.say();
}

/// Ends the machine well: every row was said.
pub async fn shut_down(context: &Context) -> Result<(), Failure> {
    let system: system_control::Client = context.take("system")?;
    system.shutdown_request().send().promise.await?;
    Ok(())
}
