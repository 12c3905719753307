//! What several threads do together, and time.
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex, Once, RwLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

const THREADS: u32 = 4;
const ROUNDS: u32 = 200;

pub fn threads() {
    let thread = thread::Builder::new().name("worker".into()).spawn(|| thread::current().name().map(String::from));
    assert_eq!(thread.expect("a thread").join().expect("no panic").as_deref(), Some("worker"));
}

/// One after the other, joined or left alone: what a thread uses comes back.
pub fn many_threads() {
    for n in 0..20 {
        let done = Arc::new(AtomicBool::new(false));
        let flag = done.clone();
        let thread = thread::spawn(move || flag.store(true, Ordering::Release));
        if n % 2 == 0 {
            thread.join().expect("no panic");
        }
        while !done.load(Ordering::Acquire) {
            thread::yield_now();
        }
    }
}

pub fn scoped_threads() {
    let mut parts = vec![0u64; THREADS as usize];
    thread::scope(|scope| {
        for (index, part) in parts.iter_mut().enumerate() {
            scope.spawn(move || *part = (0..=index as u64).sum());
        }
    });
    assert_eq!(parts, [0, 1, 3, 6]);
}

pub fn mutex() {
    let total = Mutex::new(0);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| (0..ROUNDS).for_each(|_| *total.lock().expect("no panic") += 1));
        }
    });
    assert_eq!(total.into_inner().expect("no panic"), THREADS * ROUNDS);
}

pub fn condition_variable() {
    let (turn, changed) = (Mutex::new(0), Condvar::new());
    thread::scope(|scope| {
        for me in 0..THREADS {
            let (turn, changed) = (&turn, &changed);
            scope.spawn(move || {
                for round in 0..20 {
                    let guard = turn.lock().expect("no panic");
                    let mut guard = changed.wait_while(guard, |turn| *turn != round * THREADS + me).expect("no panic");
                    *guard += 1;
                    changed.notify_all();
                }
            });
        }
    });
    assert_eq!(turn.into_inner().expect("no panic"), 20 * THREADS);
}

pub fn read_write_lock() {
    let pair = RwLock::new((0, 0));
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..ROUNDS {
                let mut pair = pair.write().expect("no panic");
                pair.0 += 1;
                pair.1 += 1;
            }
        });
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    let pair = pair.read().expect("no panic");
                    assert_eq!(pair.0, pair.1);
                }
            });
        }
    });
}

pub fn channel() {
    let (sender, receiver) = mpsc::sync_channel(4);
    for _ in 0..THREADS {
        let sender = sender.clone();
        thread::spawn(move || (1..=ROUNDS).for_each(|n| sender.send(n).expect("the receiver waits")));
    }
    drop(sender);
    assert_eq!(receiver.iter().sum::<u32>(), THREADS * ROUNDS * (ROUNDS + 1) / 2);
}

pub fn park() {
    let ready = Arc::new(AtomicBool::new(false));
    let flag = ready.clone();
    let sleeper = thread::spawn(move || {
        while !flag.load(Ordering::Acquire) {
            thread::park();
        }
    });
    ready.store(true, Ordering::Release);
    sleeper.thread().unpark();
    sleeper.join().expect("no panic");
}

pub fn barrier_and_once() {
    static ONCE: Once = Once::new();
    let (barrier, leaders, calls) = (Barrier::new(THREADS as usize), AtomicU32::new(0), AtomicU32::new(0));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                ONCE.call_once(|| {
                    calls.fetch_add(1, Ordering::Relaxed);
                });
                leaders.fetch_add(barrier.wait().is_leader().into(), Ordering::Relaxed);
            });
        }
    });
    assert_eq!((calls.into_inner(), leaders.into_inner()), (1, 1));
}

/// Counts when it is dropped.
pub struct Farewell(pub Arc<AtomicU32>);

impl Drop for Farewell {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

pub fn thread_local_destructors() {
    thread_local! {
        static LOCAL: RefCell<Option<Farewell>> = const { RefCell::new(None) };
    }
    let farewells = Arc::new(AtomicU32::new(0));
    for _ in 0..THREADS {
        let farewell = Farewell(farewells.clone());
        thread::spawn(move || {
            LOCAL.with_borrow(|local| assert!(local.is_none(), "every thread has its own"));
            LOCAL.set(Some(farewell));
        })
        .join()
        .expect("no panic");
    }
    assert_eq!(farewells.load(Ordering::Relaxed), THREADS);
}

pub fn heap_under_threads() {
    thread::scope(|scope| {
        for seed in 0..THREADS as usize {
            scope.spawn(move || {
                let mut blocks: Vec<Vec<usize>> = Vec::new();
                for step in 0..2000 {
                    let length = (step * 31 + seed * 17) % 300 + 1;
                    blocks.push(vec![seed * 10_000 + step; length]);
                    if blocks.len() > 40 {
                        let block = blocks.swap_remove(step * 7 % 40);
                        assert!(block.iter().all(|&value| value == block[0] && value / 10_000 == seed));
                    }
                }
            });
        }
    });
}

pub fn instant_and_sleep() {
    let (before, span) = (Instant::now(), Duration::from_millis(20));
    thread::sleep(span);
    let elapsed = before.elapsed();
    assert!(elapsed >= span && elapsed < Duration::from_secs(10), "slept {elapsed:?}");
}

pub fn time_outs() {
    let span = Duration::from_millis(10);
    let (lock, never) = (Mutex::new(()), Condvar::new());
    let before = Instant::now();
    let (_guard, result) = never.wait_timeout_while(lock.lock().expect("no panic"), span, |()| true).expect("no panic");
    assert!(result.timed_out() && before.elapsed() >= span);
    let (_sender, receiver) = mpsc::channel::<()>();
    assert_eq!(receiver.recv_timeout(span), Err(mpsc::RecvTimeoutError::Timeout));
    thread::park_timeout(span);
    assert!(before.elapsed() >= span * 3);
}
