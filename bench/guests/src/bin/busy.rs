//! Measures fifty threads that compute all the time: how evenly they run, and how soon one that is woken among them runs.

use bench_guests::clock::now;
use bench_guests::{Figure, INSTRUCTIONS, share, shut_down};
use capos_abi::handle::Handle;
use capos_rt::{raw, thread::lend_handle};
use capos_service::{Failure, handle, sleep, slot};
use schema::ledger_capnp::ledger;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// Threads that compute.
const THREADS: usize = 50;
/// How long their work is counted.
const WINDOW: Duration = Duration::from_millis(1500);
/// Wakes that are measured.
const WAKES: usize = 8;
/// Ticks between them at least.
const WAKE_EVERY: u64 = 20_000_000;
/// Bytes of each thread's stack.
const STACK_BYTES: usize = 64 << 10;
/// The notification's bit.
const WAKE: u64 = 1;

fn main() -> ExitCode {
    capos_service::run(async |context| {
        fairness().await?;
        wake_up("wake.busy50", None).await?;
        let every_processor = u64::MAX;
        wake_up("wake.busy50.urgent", Some(share::context(share::SHORTEST_SLICE, every_processor)?)).await?;
        shut_down(&context).await
    })
}

/// Threads that count as fast as they can.
struct Busy {
    stop: Arc<AtomicBool>,
    counts: Vec<Arc<AtomicU64>>,
    threads: Vec<JoinHandle<()>>,
}

impl Busy {
    fn start(count: usize) -> Result<Busy, Failure> {
        let mut busy = Busy { stop: Arc::default(), counts: Vec::new(), threads: Vec::new() };
        for _ in 0..count {
            let (stop, work) = (busy.stop.clone(), Arc::new(AtomicU64::new(0)));
            busy.counts.push(work.clone());
            busy.threads.push(start(move || {
                while !stop.load(Ordering::Relaxed) {
                    work.fetch_add(1, Ordering::Relaxed);
                }
            })?);
        }
        Ok(busy)
    }

    fn counts(&self) -> Vec<u64> {
        self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }

    fn end(self) -> Result<(), Failure> {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().try_for_each(join)
    }
}

/// The most that one of the threads has done, in times of the least.
async fn fairness() -> Result<(), Failure> {
    let busy = Busy::start(THREADS)?;
    let before = busy.counts();
    sleep(WINDOW).await?;
    let done: Vec<u64> = busy.counts().iter().zip(before).map(|(now, before)| now - before).collect();
    busy.end()?;
    let (least, most) = (done.iter().min().copied().unwrap_or(0), done.iter().max().copied().unwrap_or(0));
    Figure { name: "fairness.50", value: most as f64 / least.max(1) as f64, unit: "times", verified: least > 0 }.say();
    Ok(())
}

/// The middle time from a signal to the first instruction of the thread that waits for it, which runs on a context of its own.
async fn wake_up(name: &str, context: Option<Handle>) -> Result<(), Failure> {
    let made = slot::<ledger::Client>("ledger")?.create_notification_request().send().promise.await?;
    let notification = made.get()?.get_notification()?;
    let handle = handle(capnp::capability::FromClientHook::as_client_hook(&notification))?;
    let (busy, sent) = (Busy::start(THREADS - 1)?, Arc::new(AtomicU64::new(0)));
    let waiter = {
        let sent = sent.clone();
        start(move || {
            let bound = context.is_none_or(|context| share::run_on(context, lend_handle()));
            if bound { wait(handle, &sent) } else { Vec::new() }
        })?
    };
    let waker = {
        let (stop, sent) = (busy.stop.clone(), sent.clone());
        start(move || wake(handle, &sent, &stop))?
    };
    let mut latencies = join(waiter)?;
    busy.end()?;
    join(waker)?;
    latencies.sort_unstable();
    let verified = latencies.len() == WAKES && latencies[0] > 0;
    let middle = latencies.get(WAKES / 2).copied().unwrap_or(0);
    Figure { name, value: middle as f64, unit: INSTRUCTIONS, verified }.say();
    Ok(())
}

/// Waits for signals; how long each took.
fn wait(notification: u64, sent: &AtomicU64) -> Vec<u64> {
    let measure = |_| {
        raw::wait(notification, WAKE, 0).ok()?;
        let latency = now() - sent.load(Ordering::Acquire);
        sent.store(0, Ordering::Release);
        Some(latency)
    };
    (0..WAKES).map_while(measure).collect()
}

/// Computes, and signals now and then.
fn wake(notification: u64, sent: &AtomicU64, stop: &AtomicBool) {
    let mut last = now();
    while !stop.load(Ordering::Relaxed) {
        if now() - last > WAKE_EVERY && sent.load(Ordering::Acquire) == 0 {
            last = now();
            sent.store(last, Ordering::Release);
            raw::signal(notification, WAKE);
        }
    }
}

fn start<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>, Failure> {
    Ok(Builder::new().stack_size(STACK_BYTES).spawn(body)?)
}

fn join<T>(thread: JoinHandle<T>) -> Result<T, Failure> {
    thread.join().map_err(|_| "a thread has panicked".into())
}
