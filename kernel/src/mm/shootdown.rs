//! Dropping stale translations in other processors.
//!
//! Only a processor that is alone in the kernel asks, so there is one request at a time. A processor answers from user mode and from
//! idle by interrupt, and from the kernel, where interrupts are off, while it waits for the lock.

use super::kernel_space;
use crate::arch::apic;
use crate::arch::vector;
use crate::processors::{self, Processor};
use capos_abi::PAGE_BYTES;
use core::sync::atomic::Ordering;
use x86_64::VirtAddr;
use x86_64::instructions::tlb;

/// More pages than this are flushed by flushing everything.
const MAX_SINGLE_PAGES: u64 = 32;

/// What a processor is asked to do.
pub mod request {
    /// Nothing.
    pub const NONE: u32 = 0;
    /// Drop all translations of programs.
    pub const FLUSH: u32 = 1;
    /// Load the kernel's own root.
    pub const LEAVE: u32 = 2;
}

/// Removes the translations of these pages from every processor that has the space loaded.
pub fn flush(root: u64, address: u64, pages: u64) {
    let others = ask_others(root, request::FLUSH);
    if processors::current().root.load(Ordering::Relaxed) == root {
        if pages <= MAX_SINGLE_PAGES {
            (0..pages).for_each(|page| tlb::flush(VirtAddr::new_truncate(address + page * PAGE_BYTES)));
        } else {
            tlb::flush_all();
        }
    }
    if others {
        wait_for_others();
    }
}

/// Makes every processor that has the space loaded load the kernel's own root.
pub fn leave(root: u64) {
    let others = ask_others(root, request::LEAVE);
    if processors::current().root.load(Ordering::Relaxed) == root {
        processors::load_root(kernel_space::root());
    }
    if others {
        wait_for_others();
    }
}

/// Does what another processor asked of this one.
pub fn serve() {
    let this = processors::current();
    match this.request.load(Ordering::Acquire) {
        request::FLUSH => tlb::flush_all(),
        request::LEAVE => processors::load_root(kernel_space::root()),
        _ => return,
    }
    this.request.store(request::NONE, Ordering::Release);
}

/// Whether anyone was asked.
fn ask_others(root: u64, what: u32) -> bool {
    let this: *const Processor = processors::current();
    let mut any = false;
    for other in processors::all().filter(|other| !core::ptr::eq(*other, this)) {
        if other.root.load(Ordering::SeqCst) == root {
            other.request.store(what, Ordering::SeqCst);
            apic::interrupt(other.apic_id.load(Ordering::Relaxed), vector::SHOOTDOWN);
            any = true;
        }
    }
    any
}

fn wait_for_others() {
    for other in processors::all() {
        while other.request.load(Ordering::Acquire) != request::NONE {
            core::hint::spin_loop();
        }
    }
}
