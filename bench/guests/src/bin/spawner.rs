//! Measures processes: the smallest program started, ended and waited for. All instances share its text.

use bench_guests::{measure_async, shut_down};
use capos_service::Failure;
use capos_service::spawn::Spawn;
use schema::memory_object_capnp::memory_reader;
use schema::process_capnp::process::Outcome;
use std::process::ExitCode;

/// Measurements.
const SAMPLES: usize = 100;

fn main() -> ExitCode {
    capos_service::run(async |context| {
        let binary: memory_reader::Client = context.take("null")?;
        measure_async("process.spawn_wait", SAMPLES, async || spawn_and_wait(&binary).await).await?;
        shut_down(&context).await
    })
}

/// Whether the program ended as it should.
async fn spawn_and_wait(binary: &memory_reader::Client) -> Result<bool, Failure> {
    let process = Spawn::new(binary, "null").start().await.map_err(|error| error.to_string())?;
    let end = process.wait_request().send().promise.await?;
    let end = end.get()?;
    Ok(end.get_outcome()? == Outcome::Exited && end.get_code() == 0)
}
