//! Measures processes: the smallest program started, ended and waited for. Its file is read once; all instances share its text.

use bench_guests::{measure_async, shut_down};
use capos_service::Failure;
use capos_service::spawn::{Executable, Spawn};
use schema::process_capnp::process::Outcome;
use std::process::ExitCode;
use std::rc::Rc;

/// Measurements.
const SAMPLES: usize = 100;

fn main() -> ExitCode {
    capos_service::run(async |context| {
        let program = Rc::new(Executable::open(&context.take("null")?).map_err(|error| error.to_string())?);
        measure_async("process.spawn_wait", SAMPLES, 1, async || spawn_and_wait(&program).await).await?;
        shut_down(&context).await
    })
}

/// Whether the program ended as it should.
async fn spawn_and_wait(program: &Rc<Executable>) -> Result<bool, Failure> {
    let process = Spawn::of(program, "null").start().await.map_err(|error| error.to_string())?;
    let end = process.wait_request().send().promise.await?;
    let end = end.get()?;
    Ok(end.get_outcome()? == Outcome::Exited && end.get_code() == 0)
}
