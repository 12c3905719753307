//! Measures what two processors do at the same time: the same work by one and by two, as threads and as processes; calls within
//! one pair of processes and within two; and a call from one processor to the other.

use bench_guests::clock::now;
use bench_guests::exchange::Exchange;
use bench_guests::share::stay_on;
use bench_guests::work::work;
use bench_guests::{Figure, measure_ticks, shut_down};
use capos_rt::ring;
use capos_service::spawn::Spawn;
use capos_service::{Context, Failure};
use schema::echo_capnp::echo;
use schema::memory_object_capnp::memory_reader;
use schema::null_capnp::null;
use schema::process_capnp::process::{self, Outcome};
use schema::scheduling_capnp::scheduling_authority;
use std::process::ExitCode;
use std::thread;

/// Runs of which the fastest counts: the host does other things, too.
const REPEATS: usize = 7;
/// Calls to the other processor.
const CALLS: usize = 1000;
/// Words of such a call: 64 bytes.
const WORDS: usize = 8;
/// The processor of this program while it calls; the raw echo service stays on the other.
const OWN_PROCESSOR: u32 = 0;

fn main() -> ExitCode {
    capos_service::run(async |context| {
        scale("scale.process.2", async |count| processes(&context, count).await).await?;
        scale("scale.thread.2", async |count| Ok(threads(count))).await?;
        scale("scale.ipc.2", async |count| pairs(&context, count).await).await?;
        across()?;
        shut_down(&context).await
    })
}

/// Says how long a call takes to a process on the other processor, there and back.
fn across() -> Result<(), Failure> {
    stay_on(OWN_PROCESSOR)?;
    let mut round = 0;
    ring::with(|ring| {
        let exchange = Exchange::new::<WORDS>(ring, None);
        measure_ticks("ipc.cross.64", CALLS, || {
            round += 1;
            exchange.exchange::<WORDS>(round)
        });
    });
    Ok(())
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

/// Pairs that only call each other, each on a processor of its own.
async fn pairs(context: &Context, count: usize) -> Result<bool, Failure> {
    let binary: memory_reader::Client = context.take("caller")?;
    let scheduling: scheduling_authority::Client = context.take("scheduling")?;
    let mut started = Vec::new();
    for number in 0..count {
        let server: echo::Client = context.take(&format!("echo-{number}"))?;
        let caller = Spawn::new(&binary, "caller").argument(&number.to_string());
        let caller = caller.grant("echo-raw", server).grant("scheduling", scheduling.clone());
        started.push(caller.start().await?);
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
