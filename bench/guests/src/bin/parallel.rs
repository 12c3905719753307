//! Measures what two processors do at the same time: the same work by one and by two, as threads and as processes.

use bench_guests::clock::now;
use bench_guests::work::work;
use bench_guests::{Figure, shut_down};
use capos_service::spawn::Spawn;
use capos_service::{Context, Failure};
use schema::memory_object_capnp::memory_reader;
use schema::null_capnp::null;
use schema::process_capnp::process::{self, Outcome};
use std::process::ExitCode;
use std::thread;

/// Runs of which the fastest counts: the host does other things, too.
const REPEATS: usize = 7;

fn main() -> ExitCode {
    capos_service::run(async |context| {
        scale("scale.process.2", async |count| processes(&context, count).await).await?;
        scale("scale.thread.2", async |count| Ok(threads(count))).await?;
        shut_down(&context).await
    })
}

/// Says how much more two do in the same time than one.
async fn scale(name: &str, run: impl AsyncFn(usize) -> Result<bool, Failure>) -> Result<(), Failure> {
    let (mut fastest, mut verified) = ([u64::MAX; 2], true);
    for (fastest, count) in fastest.iter_mut().zip(1..) {
        for _ in 0..REPEATS {
            let start = now();
            verified &= run(count).await?;
            *fastest = (*fastest).min(now() - start);
        }
    }
    let [one, two] = fastest.map(|ticks| ticks as f64);
    Figure { name, value: 2.0 * one / two, unit: "times", verified }.say();
    Ok(())
}

fn threads(count: usize) -> bool {
    let threads: Vec<_> = (0..count).map(|_| thread::spawn(work)).collect();
    threads.into_iter().all(|thread| thread.join().is_ok_and(|good| good))
}

async fn processes(context: &Context, count: usize) -> Result<bool, Failure> {
    let binary: memory_reader::Client = context.take("worker")?;
    let null: null::Client = context.take("null")?;
    let mut started = Vec::new();
    for _ in 0..count {
        started.push(Spawn::new(&binary, "worker").grant("null", null.clone()).start().await?);
    }
    let mut good = true;
    for process in &started {
        good &= ended_well(process).await?;
    }
    Ok(good)
}

async fn ended_well(process: &process::Client) -> Result<bool, Failure> {
    let end = process.wait_request().send().promise.await?;
    let end = end.get()?;
    Ok(end.get_outcome()? == Outcome::Exited && end.get_code() == 0)
}
