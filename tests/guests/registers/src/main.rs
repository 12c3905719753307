//! The vector registers of threads that share a processor: kept where a thread was preempted, empty where it had entered the kernel by
//! itself. So nobody finds there what belongs to others, and the kernel saves no more than it has to.

mod vectors;

use capos_service::{Failure, deadline_in};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;
use vectors::{EMPTY, Vectors};

/// What the registers of those hold that are preempted.
const HELD: [u64; 2] = [0x1111_1111_1111_1111, 0x2222_2222_2222_2222];
/// What the registers of the one hold that waits.
const FORGOTTEN: u64 = 0x3333_3333_3333_3333;
/// Times that it waits, and so that others are preempted.
const ROUNDS: u32 = 200;
/// How long.
const MOMENT: Duration = Duration::from_millis(2);

fn main() -> ExitCode {
    let (is_over, looks) = (AtomicBool::new(false), AtomicU32::new(0));
    let outcome = thread::scope(|scope| {
        for word in HELD {
            let (is_over, looks) = (&is_over, &looks);
            scope.spawn(move || hold(word, is_over, looks));
        }
        let outcome = wait_often();
        is_over.store(true, Ordering::Relaxed);
        outcome
    });
    match outcome {
        Ok(()) if looks.into_inner() > 0 => return ExitCode::SUCCESS,
        Ok(()) => println!("nobody looked at what was held"),
        Err(failure) => println!("{}", failure.text()),
    }
    ExitCode::FAILURE
}

/// Looks again and again whether the registers are as they were left.
fn hold(word: u64, is_over: &AtomicBool, looks: &AtomicU32) {
    let left = Vectors::of(word);
    while !is_over.load(Ordering::Relaxed) {
        assert_eq!(left.held(), left, "they are as the thread left them");
        looks.fetch_add(1, Ordering::Relaxed);
    }
}

/// Waits in the kernel while others run, with something in the registers.
fn wait_often() -> Result<(), Failure> {
    let (control, left) = (vectors::round_down(), Vectors::of(FORGOTTEN));
    let mut emptied = 0;
    for _ in 0..ROUNDS {
        let found = left.through_the_kernel(deadline_in(MOMENT)?);
        // Who is late does not wait, and finds what it left.
        assert!(found == EMPTY || found == left, "nothing is in them of others: {found:x?}");
        assert_eq!(vectors::control(), control, "how numbers are rounded stays");
        emptied += u32::from(found == EMPTY);
    }
    if emptied == 0 {
        return Err("registers that need not be kept were kept".into());
    }
    Ok(())
}
