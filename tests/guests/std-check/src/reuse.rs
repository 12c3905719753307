//! Threads that ended are kept for the next ones: nothing of their last use may show, and what they hold is not missed.
use capos_rt::{raw, thread::lend_handle};
use std::arch::asm;
use std::cell::Cell;
use std::hint::black_box;
use std::sync::Barrier;
use std::thread::{self, Builder};

/// Threads one after the other.
const THREADS: u32 = 1_000;
/// Threads at a time of which some are kept.
const CROWD: usize = 6;
/// Threads that this process may have besides the first one.
const THREAD_QUOTA: usize = 31;
/// Bytes of a stack that is none of the usual ones.
const SMALL_STACK_BYTES: usize = 64 << 10;
/// Bytes that do not fit into what this process may use beside the stacks of kept threads.
const LARGE_BYTES: usize = 12 << 20;
/// A bit of the own notification that nobody else uses.
const BIT: u64 = 1 << 5;
/// A deadline that has passed.
const PAST: u64 = 1;
/// MXCSR of a thread that has not computed.
const USUAL_MXCSR: u32 = 0x1f80;
/// Its bits that round numbers down.
const ROUND_DOWN: u32 = 1 << 13;

thread_local!(static USES: Cell<u32> = const { Cell::new(0) });

pub fn threads_are_as_new() {
    for number in 1..=THREADS {
        let use_once = move || {
            assert_eq!(USES.replace(number), 0, "thread-local values are those of this thread");
            assert!(raw::wait(0, BIT, PAST).is_err(), "nobody has signalled this thread");
            assert_eq!(mxcsr(), USUAL_MXCSR, "numbers are rounded to the nearest, and none was yet");
            set_mxcsr(USUAL_MXCSR | ROUND_DOWN);
            if number.is_multiple_of(3) {
                raw::signal(lend_handle(), BIT);
            }
            number
        };
        assert_eq!(thread::spawn(use_once).join().expect("no panic"), number);
    }
}

pub fn kept_threads_give_way_to_memory() {
    crowd(CROWD, 0);
    let memory = black_box(vec![1u8; LARGE_BYTES]);
    assert!(memory.iter().all(|&byte| byte == 1));
}

pub fn kept_threads_give_way_to_threads() {
    crowd(CROWD, 0);
    crowd(THREAD_QUOTA, SMALL_STACK_BYTES);
}

/// Runs so many threads at the same time; with stacks of the usual size, or of `stack_bytes`.
fn crowd(count: usize, stack_bytes: usize) {
    let all_run = Barrier::new(count);
    thread::scope(|scope| {
        for _ in 0..count {
            let builder = if stack_bytes == 0 { Builder::new() } else { Builder::new().stack_size(stack_bytes) };
            builder.spawn_scoped(scope, || all_run.wait()).expect("a thread");
        }
    });
}

fn mxcsr() -> u32 {
    let mut value = 0;
    // SAFETY: stores the register where there is room for it.
    unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut value, options(nostack)) };
    value
}

fn set_mxcsr(value: u32) {
    // SAFETY: only the rounding changes, and this thread computes with no floating-point numbers.
    unsafe { asm!("ldmxcsr [{}]", in(reg) &value, options(nostack)) };
}
