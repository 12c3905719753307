//! Measures the kernel's primitives: ring entries, calls of a kernel object, calls between processes.

mod generated;
mod kernel;
mod process;
mod queue;

use bench_guests::shut_down;
use capos_rt::ring;
use std::process::ExitCode;

/// Measurements of each primitive.
const SAMPLES: usize = 400;

fn main() -> ExitCode {
    capos_service::run(async |context| {
        ring::with(|ring| {
            kernel::rows(ring);
            process::rows(ring);
        });
        generated::rows(&context.take("echo")?).await?;
        queue::row(&context).await?;
        shut_down(&context).await
    })
}
