//! Futures over WAIT: bits of a notification, and time.
use crate::errors;
use crate::raw::Failure;
use crate::ring;
use crate::runtime::{RUNTIME, class};
use capos_abi::handle::{Handle, NULL};
use capos_abi::ring::{Completion, Submission, flag, op};
use capos_abi::status;
use core::cell::Cell;
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};

/// A WAIT in the ring.
#[derive(Default)]
pub struct Waiting {
    tag: Cell<u16>,
    done: Cell<Option<Result<u64, Failure>>>,
    abandoned: Cell<bool>,
    waker: Cell<Option<Waker>>,
}

/// Waits for any of some bits of a notification, and takes them. Dropping it cancels the wait.
pub struct Wait {
    notification: Handle,
    bits: u64,
    deadline: u64,
    record: Option<u32>,
}

/// Waits for any of `bits` of a notification, whose handle the caller keeps, until `deadline` (absolute nanoseconds, 0 = none).
pub fn notification(notification: Handle, bits: u64, deadline: u64) -> Wait {
    Wait { notification, bits, deadline, record: None }
}

/// Waits until `deadline` (absolute monotonic nanoseconds).
pub async fn until(deadline: u64) {
    // The only end of a timer is its deadline.
    let _ = notification(NULL, 0, deadline).await;
}

/// What becomes of `work`, which is given up at `deadline` (absolute monotonic nanoseconds, 0 = never).
pub async fn within<T>(deadline: u64, work: impl Future<Output = capnp::Result<T>>) -> capnp::Result<T> {
    if deadline == 0 {
        return work.await;
    }
    let (mut work, mut time) = (pin!(work), pin!(until(deadline)));
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Pending => time.as_mut().poll(context).map(|()| Err(errors::from_status(status::DEADLINE))),
        ready => ready,
    })
    .await
}

/// The completion of a WAIT.
pub fn finish(index: u32, completion: &Completion) {
    let record = RUNTIME.waits.get(index);
    RUNTIME.unreserve(1);
    ring::with(|ring| ring.give_tag(completion.tag));
    if record.abandoned.replace(false) {
        return RUNTIME.waits.give(index);
    }
    record.done.set(Some(Failure::check(completion)));
    if let Some(waker) = record.waker.take() {
        waker.wake();
    }
}

impl Wait {
    /// Puts the WAIT into the ring; `None` if there is no room now.
    fn submit(&self) -> Option<u32> {
        if !RUNTIME.reserve(1) {
            return None;
        }
        let index = RUNTIME.waits.take();
        ring::with(|ring| {
            let tag = ring.take_tag().expect("there are more tags than completions");
            RUNTIME.waits.get(index).tag.set(tag);
            ring.push(Submission {
                op: op::WAIT,
                tag,
                handle: self.notification,
                user_data: class::WAIT | u64::from(index),
                deadline: self.deadline,
                arg: self.bits,
                ..Submission::default()
            });
        });
        Some(index)
    }
}

impl Future for Wait {
    type Output = capnp::Result<u64>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.record.is_none() {
            self.record = self.submit();
        }
        let Some(index) = self.record else {
            context.waker().wake_by_ref();
            return Poll::Pending;
        };
        let record = RUNTIME.waits.get(index);
        let Some(done) = record.done.take() else {
            record.waker.set(Some(context.waker().clone()));
            return Poll::Pending;
        };
        self.record = None;
        RUNTIME.waits.give(index);
        Poll::Ready(done.map_err(errors::from_failure))
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let Some(index) = self.record else { return };
        let record = RUNTIME.waits.get(index);
        record.waker.take();
        if record.done.take().is_some() {
            return RUNTIME.waits.give(index);
        }
        record.abandoned.set(true);
        let entry =
            Submission { op: op::CANCEL, flags: flag::QUIET, arg: record.tag.get().into(), ..Submission::default() };
        ring::with(|ring| crate::raw::push_quiet(ring, entry));
    }
}
