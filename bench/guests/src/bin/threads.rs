//! Measures threads: two that wake each other, by a notification and by parking; and one that starts and ends.

use bench_guests::{measure, shut_down};
use capos_abi::ring::{Submission, flag, op};
use capos_rt::raw::{push_quiet, wait};
use capos_rt::ring;
use capos_service::{Failure, handle, slot};
use schema::ledger_capnp::ledger;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

/// Measurements of each.
const SAMPLES: usize = 400;

/// Bits of the notification: for the other thread, back, and the end.
const THERE: u64 = 1;
const BACK: u64 = 2;
const STOP: u64 = 4;

fn main() -> ExitCode {
    capos_service::run(async |context| {
        notification().await?;
        park();
        create_and_join();
        shut_down(&context).await
    })
}

async fn notification() -> Result<(), Failure> {
    let ledger: ledger::Client = slot("ledger")?;
    let made = ledger.create_notification_request().send().promise.await?;
    let notification = made.get()?.get_notification()?;
    let handle = handle(capnp::capability::FromClientHook::as_client_hook(&notification))?;
    let peer = thread::spawn(move || {
        let mut bits = wait(handle, THERE | STOP, 0).unwrap_or(STOP);
        while bits & STOP == 0 {
            bits = signal_and_wait(handle, BACK, THERE | STOP);
        }
    });
    measure("notification.rtt", SAMPLES, 1, || signal_and_wait(handle, THERE, BACK) == BACK);
    capos_rt::raw::signal(handle, STOP);
    peer.join().map_err(|_| "the other thread has panicked")?;
    Ok(())
}

/// Sets bits and waits for others, in one system call; what came, with `STOP` on failure.
fn signal_and_wait(notification: u64, set: u64, awaited: u64) -> u64 {
    ring::with(|ring| {
        let signal =
            Submission { op: op::SIGNAL, flags: flag::QUIET, handle: notification, arg: set, ..Submission::default() };
        push_quiet(ring, signal);
        wait(notification, awaited, 0).unwrap_or(STOP)
    })
}

/// Whose turn it is.
static TURN: AtomicU32 = AtomicU32::new(MINE);
const MINE: u32 = 0;
const YOURS: u32 = 1;
const END: u32 = 2;

fn park() {
    let own = thread::current();
    let peer = thread::spawn(move || {
        loop {
            match TURN.load(Ordering::Acquire) {
                MINE => thread::park(),
                YOURS => {
                    TURN.store(MINE, Ordering::Release);
                    own.unpark();
                }
                _ => break,
            }
        }
    });
    measure("park.rtt", SAMPLES, 1, || {
        TURN.store(YOURS, Ordering::Release);
        peer.thread().unpark();
        while TURN.load(Ordering::Acquire) == YOURS {
            thread::park();
        }
        TURN.load(Ordering::Acquire) == MINE
    });
    TURN.store(END, Ordering::Release);
    peer.thread().unpark();
    peer.join().expect("the other thread does not panic");
}

fn create_and_join() {
    let mut round = 0;
    measure("thread.create_join", SAMPLES, 1, || {
        round += 1;
        thread::spawn(move || round).join().is_ok_and(|answer| answer == round)
    });
}
