//! Two processors as `kernel/src/processors.rs` shows them to each other, and their translations.

use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::cell::Cell;

/// Processors that there are.
pub const MAX: usize = 2;

/// A processor as the others see it.
pub struct Processor {
    /// Its number.
    pub apic_id: AtomicU32,
    /// The page tables that it has loaded.
    pub root: AtomicU64,
    /// What it is asked to do.
    pub request: AtomicU32,
    /// An interrupt waits for it.
    pub interrupted: AtomicBool,
}

impl Processor {
    const fn new(number: u32) -> Processor {
        Processor {
            apic_id: AtomicU32::new(number),
            root: AtomicU64::new(0),
            request: AtomicU32::new(0),
            interrupted: AtomicBool::new(false),
        }
    }
}

static PROCESSORS: [Processor; MAX] = [Processor::new(0), Processor::new(1)];

loom::thread_local! {
    static CURRENT: Cell<usize> = Cell::new(0);
    static STALE: Cell<bool> = Cell::new(false);
}

/// Starts a model: both processors have loaded this root, and the calling thread is the first of them.
pub fn start(root: u64) {
    for processor in &PROCESSORS {
        processor.root.store(root, Ordering::SeqCst);
        processor.request.store(0, Ordering::SeqCst);
        processor.interrupted.store(false, Ordering::SeqCst);
        processor.apic_id.load(Ordering::SeqCst);
    }
    become_processor(0);
}

/// Makes the calling thread this processor, whose translations are those of its root.
pub fn become_processor(number: usize) {
    CURRENT.with(|current| current.set(number));
    STALE.with(|stale| stale.set(true));
}

/// All processors.
pub fn all() -> impl Iterator<Item = &'static Processor> {
    PROCESSORS.iter()
}

/// The processor that this runs on.
pub fn current() -> &'static Processor {
    &PROCESSORS[CURRENT.with(Cell::get)]
}

/// Loads page tables.
pub fn load_root(root: u64) {
    current().root.store(root, Ordering::SeqCst);
    if root == crate::mm::kernel_space::root() {
        drop_translations();
    }
}

/// Forgets what the page tables said.
pub fn drop_translations() {
    STALE.with(|stale| stale.set(false));
}

/// Whether this processor may still use a translation that was taken away.
pub fn has_translations() -> bool {
    STALE.with(Cell::get)
}
