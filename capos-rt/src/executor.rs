//! Runs futures on the thread's ring: one thread, many waiters, one system call when nothing is left to do.
//!
//! Wakers are addresses of records that are never freed, so that making and cloning one costs nothing. A wake from another
//! thread goes through the [`Mailbox`] of the thread that it is for, and a SIGNAL.
use crate::call;
use crate::hooks::tag::record_of;
use crate::incoming;
use crate::receiver;
use crate::ring;
use crate::runtime::{RUNTIME, class};
use alloc::boxed::Box;
use capos_abi::handle::NULL;
use capos_abi::ring::{Submission, op};
use core::cell::Cell;
use core::future::Future;
use core::pin::{Pin, pin};
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use core::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

/// Bit of a thread's own notification that says that its mailbox holds something.
const MAILBOX_BIT: u64 = 1 << 61;
/// Turns with work to do after which the ring is run all the same.
const BUSY_TURNS: u32 = 8;

/// A future that runs by itself, or the place of one that [`block_on`] runs.
#[derive(Default)]
pub struct Task {
    future: Cell<Option<Pin<Box<dyn Future<Output = ()>>>>>,
    woken: Cell<bool>,
    wake: WakeCell,
}

/// What a waker points to.
#[derive(Default)]
pub struct WakeCell {
    queued: AtomicBool,
    kind: AtomicU32,
    record: AtomicU64,
    mailbox: AtomicPtr<Mailbox>,
    next: AtomicPtr<WakeCell>,
}

/// What is woken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wakes {
    /// A [`Task`].
    Task = 0,
    /// The server's method that works on a received call.
    Incoming = 1,
    /// Calls that wait to be sent.
    Backlog = 2,
}

impl WakeCell {
    /// A waker for a record of the calling thread, which is the cell's for good.
    #[inline]
    pub fn waker(&'static self, wakes: Wakes, record: u64) -> Waker {
        if self.mailbox.load(Ordering::Relaxed).is_null() {
            self.aim(wakes, record);
        }
        // SAFETY: the data is a `&'static WakeCell`, as the functions of the table expect; all of it is atomic.
        unsafe { Waker::new(ptr::from_ref(self).cast(), &WAKER) }
    }

    #[cold]
    fn aim(&self, wakes: Wakes, record: u64) {
        self.kind.store(wakes as u32, Ordering::Relaxed);
        self.record.store(record, Ordering::Relaxed);
        self.mailbox.store(ptr::from_ref(mailbox()).cast_mut(), Ordering::Relaxed);
    }

    fn wake(&'static self) {
        if self.queued.swap(true, Ordering::AcqRel) {
            return;
        }
        let target = self.mailbox.load(Ordering::Relaxed);
        if RUNTIME.mailbox.get().is_some_and(|own| ptr::eq(own, target)) {
            RUNTIME.ready.push(self);
        } else {
            // SAFETY: mailboxes are never freed, and a cell that has given a waker has one.
            unsafe { &*target }.put(self);
        }
    }
}

static WAKER: RawWakerVTable = RawWakerVTable::new(|data| RawWaker::new(data, &WAKER), wake_raw, wake_raw, |_| {});

fn wake_raw(data: *const ()) {
    // SAFETY: `WakeCell::waker` is the only one who makes wakers with this table, of a `&'static WakeCell`.
    unsafe { &*data.cast::<WakeCell>() }.wake();
}

/// Wakes that other threads leave for a thread.
pub struct Mailbox {
    first: AtomicPtr<WakeCell>,
    thread: AtomicU64,
    armed: AtomicBool,
}

/// The calling thread's mailbox.
#[inline]
fn mailbox() -> &'static Mailbox {
    RUNTIME.mailbox.get().unwrap_or_else(make_mailbox)
}

#[cold]
fn make_mailbox() -> &'static Mailbox {
    let thread = ring::with(|ring| ring.thread());
    let made = Mailbox { first: AtomicPtr::default(), thread: AtomicU64::new(thread), armed: AtomicBool::new(false) };
    let made: &'static Mailbox = Box::leak(Box::new(made));
    RUNTIME.mailbox.set(Some(made));
    made
}

impl Mailbox {
    /// Leaves a wake; called by other threads.
    #[cold]
    fn put(&self, cell: &'static WakeCell) {
        let mut first = self.first.load(Ordering::Relaxed);
        loop {
            cell.next.store(first, Ordering::Relaxed);
            let new = ptr::from_ref(cell).cast_mut();
            match self.first.compare_exchange_weak(first, new, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => break,
                Err(now) => first = now,
            }
        }
        crate::raw::signal(self.thread.load(Ordering::Relaxed), MAILBOX_BIT);
    }

    /// Takes what others have left; the WAIT for it has completed.
    pub fn empty(&self, completed: bool) {
        self.armed.store(!completed, Ordering::Relaxed);
        let mut next = self.first.swap(ptr::null_mut(), Ordering::AcqRel);
        // SAFETY: cells are never freed.
        while let Some(cell) = unsafe { next.cast_const().as_ref::<'static>() } {
            next = cell.next.load(Ordering::Relaxed);
            RUNTIME.ready.push(cell);
        }
    }

    /// Makes sure that a wake from another thread ends the wait that is about to begin.
    fn arm(&self) {
        if self.armed.load(Ordering::Relaxed) || self.thread.load(Ordering::Relaxed) == NULL || !RUNTIME.reserve(1) {
            return;
        }
        self.armed.store(true, Ordering::Relaxed);
        ring::with(|ring| {
            let tag = ring.take_tag().expect("there are more tags than completions");
            ring.push(Submission {
                op: op::WAIT,
                tag,
                arg: MAILBOX_BIT,
                user_data: class::MAILBOX,
                ..Submission::default()
            });
        });
    }
}

/// Runs a future to its end; other futures of the thread run meanwhile.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let index = RUNTIME.tasks.take();
    let task = RUNTIME.tasks.get(index);
    let waker = task.wake.waker(Wakes::Task, index.into());
    task.woken.set(true);
    let mut turns = 0;
    loop {
        if task.woken.replace(false)
            && let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker))
        {
            RUNTIME.tasks.give(index);
            return output;
        }
        turn();
        if task.woken.get() || has_work() {
            turns += 1;
            if turns % BUSY_TURNS == 0 {
                ring::with(|ring| ring.enter(0, 0));
            }
        } else {
            turns = 0;
            mailbox().arm();
            ring::with(|ring| ring.enter(1, 0));
        }
    }
}

/// Whether the last turn has left something: futures woken in it, and calls that arrived while one of them blocked.
#[inline]
fn has_work() -> bool {
    !RUNTIME.ready.is_empty() || !RUNTIME.arrivals.is_empty()
}

/// Starts a future that runs whenever the thread is in [`block_on`].
pub fn spawn_local(future: impl Future<Output = ()> + 'static) {
    let index = RUNTIME.tasks.take();
    let task = RUNTIME.tasks.get(index);
    task.future.set(Some(Box::pin(future)));
    task.woken.set(false);
    task.wake.waker(Wakes::Task, index.into()).wake();
}

/// Does what can be done without waiting. What it makes ready is left for the next turn.
fn turn() {
    RUNTIME.drain_with(|arrival| {
        let first = RUNTIME.arrivals.is_empty();
        if first { receiver::handle(arrival) } else { RUNTIME.arrivals.push(*arrival) }
    });
    // What arrived while a blocking call was waiting.
    while !RUNTIME.arrivals.is_empty()
        && let Some(arrival) = RUNTIME.arrivals.pop()
    {
        receiver::handle(&arrival);
    }
    for _ in 0..RUNTIME.ready.len() {
        let Some(cell) = RUNTIME.ready.pop() else { break };
        cell.queued.store(false, Ordering::Release);
        let record = cell.record.load(Ordering::Relaxed);
        match cell.kind.load(Ordering::Relaxed) {
            // SAFETY: this cell was aimed at a received call.
            kind if kind == Wakes::Incoming as u32 => incoming::poll(unsafe { record_of(record) }),
            kind if kind == Wakes::Backlog as u32 => call::retry_backlog(),
            _ => run(record as u32),
        }
    }
}

fn run(index: u32) {
    let task = RUNTIME.tasks.get(index);
    // No future: `block_on` runs it, or it is being polled further up the stack.
    let Some(mut future) = task.future.take() else { return task.woken.set(true) };
    let waker = task.wake.waker(Wakes::Task, index.into());
    match future.as_mut().poll(&mut Context::from_waker(&waker)) {
        Poll::Pending => {
            task.future.set(Some(future));
            if task.woken.replace(false) {
                waker.wake();
            }
        }
        Poll::Ready(()) => {
            drop(future);
            task.woken.set(false);
            RUNTIME.tasks.give(index);
        }
    }
}
