//! What threads and processors share without a lock, under loom, which tries every order of their steps that matters.
//!
//! The files under test are the shipped ones, byte for byte: they are included by their paths, and what they name `core`,
//! `x86_64` or `crate` is this crate. So their atomics, their raw accesses to shared memory and their spinning are
//! loom's ([`sync`], [`ptr`], [`hint`]), and the processor's instructions and the kernel are small models
//! ([`instructions`], [`raw`], [`processors`]). Each test in `tests/` is one question; [`model`] answers it.
#![feature(const_eval_select, core_intrinsics, thread_local)]
#![allow(internal_features, reason = "an atomic must know whether it begins in a static or at run time")]

extern crate self as core;
extern crate self as x86_64;

pub use std::{array, cell, clone, cmp, default, fmt, iter, marker, mem, ops, option, result};

pub mod hint;
pub mod memory;
pub mod ptr;
pub mod sync;

// The machine.
pub mod arch;
pub mod instructions;
pub mod mm;
pub mod panic;
pub mod processors;
pub use instructions::VirtAddr;
#[path = "../../kernel/src/lock.rs"]
pub mod kernel_lock;
#[path = "../../kernel/lend/src/slot.rs"]
pub mod slot;

// The runtime.
#[path = "../../capos-rt/src/futex.rs"]
pub mod futex;
#[path = "../../capos-rt/src/lock.rs"]
pub mod lock;
pub mod raw;
#[path = "../../capos-rt/src/ring.rs"]
pub mod ring;
pub mod syscall;
pub mod thread;
pub use capos_rt::arena;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Steps of one order; loom gives up on one that is longer.
const MAX_STEPS: usize = 20_000;
/// Preemptions that an order of steps may have; more find little more, and take very long.
const PREEMPTIONS: usize = 2;
/// The same in long runs.
const SOAK_PREEMPTIONS: usize = 3;

static EXECUTION: AtomicU64 = AtomicU64::new(0);
/// The included files have statics, which one model uses at a time.
static STATICS: Mutex<()> = Mutex::new(());

/// Runs `f` in every order of its threads' steps.
pub fn model(f: impl Fn() + Send + Sync + 'static) {
    let _alone = STATICS.lock().unwrap_or_else(PoisonError::into_inner);
    let mut builder = loom::model::Builder::new();
    let soak = std::env::var_os("CAPOS_SOAK").is_some();
    builder.preemption_bound = Some(if soak { SOAK_PREEMPTIONS } else { PREEMPTIONS });
    builder.max_branches = MAX_STEPS;
    builder.check(move || {
        EXECUTION.fetch_add(1, Ordering::Relaxed);
        memory::forget();
        f();
    });
}

/// The number of the order that is being tried.
fn execution() -> u64 {
    EXECUTION.load(Ordering::Relaxed)
}
