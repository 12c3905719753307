//! Translations taken away: when `flush` has returned, no processor uses the page any more.

use loom::cell::UnsafeCell;
use races::kernel_lock::{KernelLock, Lend};
use races::mm::shootdown;
use races::sync::atomic::Ordering;
use races::{model, processors};
use std::rc::Rc;

const ROOT: u64 = 7;
const OTHER_ROOT: u64 = 8;
const ADDRESS: u64 = 0x1000;

/// What the lock protects here.
struct Nothing;

impl Lend for Nothing {
    type Lent<'a> = ();

    fn lend(&mut self) {}
}

/// A page of memory: whoever frees it writes it.
struct Page(UnsafeCell<u8>);

impl Page {
    /// A program uses it, as long as its processor has the translation.
    fn touch(&self) {
        if processors::has_translations() {
            self.0.with(|_| ());
        }
    }

    fn free(&self) {
        self.0.with_mut(|_| ());
    }
}

/// A processor that runs a program, answers the one interrupt, and runs on.
fn run_program(page: &Page) {
    page.touch();
    while !processors::current().interrupted.load(Ordering::Acquire) {
        loom::thread::yield_now();
    }
    shootdown::serve();
    page.touch();
}

#[test]
fn a_page_is_free_when_no_program_reaches_it() {
    model(|| {
        let page = Rc::new(Page(UnsafeCell::new(0)));
        let shared = page.clone();
        processors::start(ROOT);
        let other = loom::thread::spawn(move || {
            processors::become_processor(1);
            run_program(&shared);
        });
        shootdown::flush(ROOT, ADDRESS, 1);
        page.free();
        other.join().expect("it ends");
    });
}

#[test]
fn a_processor_that_has_other_tables_is_not_interrupted() {
    model(|| {
        processors::start(ROOT);
        let other = loom::thread::spawn(|| {
            processors::become_processor(1);
            processors::load_root(OTHER_ROOT);
        });
        other.join().expect("it ends");
        shootdown::flush(ROOT, ADDRESS, 1);
        shootdown::leave(ROOT);
        assert!(processors::all().all(|processor| !processor.interrupted.load(Ordering::SeqCst)));
    });
}

#[test]
fn a_processor_that_waits_for_the_kernel_lock_answers() {
    model(|| {
        let page = Rc::new(Page(UnsafeCell::new(0)));
        let lock: &'static KernelLock<Nothing> = Box::leak(Box::new(KernelLock::new(Nothing, 2)));
        let shared = page.clone();
        processors::start(ROOT);
        let held = lock.lock();
        let other = loom::thread::spawn(move || {
            processors::become_processor(1);
            shared.touch();
            drop(lock.lock());
            shared.touch();
        });
        shootdown::flush(ROOT, ADDRESS, 1);
        page.free();
        drop(held);
        other.join().expect("it ends");
    });
}

#[test]
fn a_space_can_go_when_every_processor_has_left_it() {
    model(|| {
        let tables = Rc::new(Page(UnsafeCell::new(0)));
        let shared = tables.clone();
        processors::start(ROOT);
        let other = loom::thread::spawn(move || {
            processors::become_processor(1);
            run_program(&shared);
        });
        shootdown::leave(ROOT);
        tables.free();
        other.join().expect("it ends");
        assert!(processors::all().all(|processor| processor.root.load(Ordering::SeqCst) != ROOT));
    });
}
