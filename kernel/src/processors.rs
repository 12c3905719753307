//! What processors know of each other: who runs, and with which page tables.

use crate::arch::context::Context;
use crate::arch::cpu::Cpu;
use crate::mm::shootdown;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use x86_64::PhysAddr;
use x86_64::registers::control::{Cr3, Cr3Flags};
use x86_64::structures::paging::PhysFrame;

/// Processors that the kernel can use.
pub const MAX: usize = kernel_core::MAX_PROCESSORS;

/// A processor as the others see it.
pub struct Processor {
    /// Identity of its local APIC.
    pub apic_id: AtomicU32,
    /// Physical address of the page table root that it has loaded.
    pub root: AtomicU64,
    /// What it is asked to do; one of [`shootdown::request`].
    pub request: AtomicU32,
    /// Whose vector state and FS base it holds; null: nobody's. Used in the kernel only.
    pub loaded: AtomicPtr<Context>,
}

impl Processor {
    const fn new() -> Processor {
        Processor {
            apic_id: AtomicU32::new(0),
            root: AtomicU64::new(0),
            request: AtomicU32::new(0),
            loaded: AtomicPtr::new(ptr::null_mut()),
        }
    }
}

static PROCESSORS: [Processor; MAX] = [const { Processor::new() }; MAX];
static COUNT: AtomicUsize = AtomicUsize::new(1);

/// Adds a processor before it starts. Only called for indices below [`MAX`].
pub fn register(index: usize, apic_id: u32) -> &'static Processor {
    let [first, ..] = &PROCESSORS;
    let processor = PROCESSORS.get(index).unwrap_or(first);
    processor.apic_id.store(apic_id, Ordering::Relaxed);
    COUNT.fetch_max(index + 1, Ordering::Release);
    processor
}

/// All processors.
pub fn all() -> impl Iterator<Item = &'static Processor> {
    PROCESSORS.iter().take(COUNT.load(Ordering::Acquire))
}

/// The processor with this number.
pub fn get(index: usize) -> Option<&'static Processor> {
    all().nth(index)
}

/// The processor that this runs on.
pub fn current() -> &'static Processor {
    Cpu::current().shared()
}

/// Loads page tables into this processor, if they are not loaded already.
pub fn load_root(root: u64) {
    let current = current();
    if current.root.load(Ordering::Relaxed) == root {
        return;
    }
    current.root.store(root, Ordering::SeqCst);
    write_root(root);
}

/// Loads page tables into a processor that has no [`Cpu`] yet.
pub fn write_root(root: u64) {
    let frame = PhysFrame::containing_address(PhysAddr::new_truncate(root));
    // SAFETY: every root maps the kernel's half like the one loaded now.
    unsafe { Cr3::write(frame, Cr3Flags::empty()) };
}

/// Makes every processor leave a space.
pub fn leave_space(root: u64) {
    shootdown::leave(root);
}
