//! Threads: made by the `Ledger`, with a stack behind a guard page and thread-local storage in one mapping.
//!
//! A thread that has done what it was started for waits for the next spawn, with everything that it has: that is several times
//! as fast as to make another. Of its last use nothing is left: destructors of thread-local values have run, and it goes on
//! with thread-local storage, ring and control registers as new, and its notification empty. A thread whose ring or runtime
//! may still do something, or whose handle others know, ends for good. So do kept ones where memory or threads run out.
//!
//! A thread that ends for good frees its mapping itself, in its last two system calls, which need no stack.
mod record;

use crate::lock::SpinLock;
use crate::objects::{self, Start};
use crate::raw::Failure;
use crate::runtime::RUNTIME;
use crate::{futex, heap, raw, ring, tls};
use capos_abi::PAGE_BYTES;
use capos_abi::handle::{Handle, NULL};
use capos_abi::status;
use capos_abi::syscall::{CAP_ENTER, EXIT};
use core::arch::{asm, naked_asm};
use core::cell::Cell;
use core::ptr;
use core::sync::atomic::{AtomicU64, Ordering};
use futex::FOREVER;
use record::{Body, Memory, OVER, Records, Thread};

/// A thread's name within the process; the main thread's is 1.
pub type Id = u32;

/// Threads that wait for the next spawn, at most.
const MAX_KEPT: usize = 4;
/// Bit of a thread's own notification that tells it that its handle is known, or that it begins again or ends.
const START_BIT: u64 = 1 << 62;
/// In place of a handle: unknown, and the new thread sleeps until it is known. No handle has this value.
const AWAITED: Handle = 1;
/// Bytes of the smallest stack.
const MIN_STACK_BYTES: usize = 64 << 10;
/// A deadline in the past: gives the processor away without waiting.
const PAST: u64 = 1;

static RECORDS: SpinLock<Records> = SpinLock::new(Records::new());

/// Whether code outside of the runtime knows the calling thread's handle.
#[thread_local]
static IS_LENT: Cell<bool> = Cell::new(false);

/// The calling thread's handle of its own `Thread`.
pub(crate) fn own_handle() -> Handle {
    ring::with(|ring| ring.thread())
}

/// The same for programs, which may do with it what lasts: the thread is not used for another spawn.
pub fn lend_handle() -> Handle {
    IS_LENT.set(true);
    own_handle()
}

/// Lets other threads run.
pub fn yield_now() {
    let _ = raw::wait(NULL, 0, PAST);
}

/// Starts a thread that calls `run(argument)`. Without the means for it: none.
pub fn spawn(run: extern "C" fn(usize), argument: usize, stack_bytes: usize) -> Option<Id> {
    let stack_bytes = stack_bytes.max(MIN_STACK_BYTES).next_multiple_of(PAGE_BYTES as usize);
    let body = Body { run, argument };
    let again = RECORDS.lock().begin_again(stack_bytes, body);
    let Some((record, id)) = again else { return create(stack_bytes, body) };
    // SAFETY: records are valid for ever, and a kept thread's has its handle.
    raw::signal(unsafe { &*record }.handle.load(Ordering::Relaxed), START_BIT);
    Some(id)
}

/// Waits until a thread has done what it was started for. A thread that is not known has done so before.
pub fn join(id: Id) {
    let claimed = RECORDS.lock().claim(id);
    let Some(record) = claimed else { return };
    // SAFETY: records are valid for ever.
    let life = unsafe { &(*record).life };
    while life.load(Ordering::Acquire) == id {
        futex::wait(life, id, FOREVER);
    }
    if life.load(Ordering::Acquire) == OVER {
        bury(record);
    }
}

/// Ends the threads that wait for the next spawn; whether there were any. What they used is free then.
#[cold]
pub fn give_back() -> bool {
    let mut any = false;
    while let Some(record) = take_kept() {
        // SAFETY: records are valid for ever.
        raw::signal(unsafe { &*record }.handle.load(Ordering::Relaxed), START_BIT);
        bury(record);
        any = true;
    }
    any
}

/// From now on a thread that has done what it was started for ends for good, and so do those that were kept.
pub(crate) fn keep_no_more() {
    RECORDS.lock().keep_no_more();
    give_back();
}

/// Runs `operation`, and again without kept threads if something is exhausted.
#[inline]
pub(crate) fn or_give_back<T>(operation: impl Fn() -> Result<T, Failure>) -> Result<T, Failure> {
    match operation() {
        Err(failure) if failure.status == status::EXHAUSTED && give_back() => operation(),
        outcome => outcome,
    }
}

fn take_kept() -> Option<*mut Thread> {
    RECORDS.lock().take_kept()
}

/// Waits until a thread that ends for good has ended.
fn bury(record: *mut Thread) {
    // SAFETY: records are valid for ever.
    let handle = unsafe { &*record }.handle.load(Ordering::Acquire);
    // It fails only while the kernel lacks memory for one that waits, and the record must outlive the thread.
    while objects::join_thread(handle).is_err() {
        yield_now();
    }
    raw::release(handle);
    RECORDS.lock().give_up(record);
}

/// Makes a thread.
fn create(stack_bytes: usize, body: Body) -> Option<Id> {
    let storage = tls::Layout::own();
    let bytes = (PAGE_BYTES as usize + stack_bytes + storage.area_bytes()).next_multiple_of(PAGE_BYTES as usize) as u64;
    let start = or_give_back(|| map(bytes)).ok()?;
    let end = ptr::with_exposed_provenance_mut::<u8>((start + bytes) as usize);
    // SAFETY: the end of the mapping is the storage's, the rest below is stack.
    let thread_pointer = unsafe { storage.build(end) };
    let unused = RECORDS.lock().take_unused();
    let stored = record::store(unused, Memory { start, bytes, stack_bytes }, body);
    let started = stored.and_then(|record| start_new(record, start + PAGE_BYTES + stack_bytes as u64, thread_pointer));
    if started.is_none() {
        let _ = objects::unmap(start, bytes);
    }
    started
}

/// Reserves `bytes`, all of them writable but the first page.
fn map(bytes: u64) -> Result<u64, Failure> {
    let start = objects::reserve(bytes)?;
    objects::commit(start + PAGE_BYTES, bytes - PAGE_BYTES).inspect_err(|_| {
        let _ = objects::unmap(start, bytes);
    })?;
    Ok(start)
}

/// Starts the new thread of a record; gives the record up if that fails.
fn start_new(record: *mut Thread, stack_pointer: u64, thread_pointer: *mut u8) -> Option<Id> {
    let entry = enter as extern "C" fn() as usize as u64;
    let start = Start { entry, stack_pointer, thread_pointer: thread_pointer as u64, argument: record as u64 };
    let id = RECORDS.lock().begin(record);
    match or_give_back(|| objects::create_thread(&start)) {
        Ok(handle) => {
            // SAFETY: the thread cannot end, and so give up its record, before it knows its handle.
            if unsafe { (*record).handle.swap(handle, Ordering::AcqRel) } == AWAITED {
                raw::signal(handle, START_BIT);
            }
            Some(id)
        }
        Err(_) => {
            RECORDS.lock().withdraw(record);
            None
        }
    }
}

/// The first instructions of a thread: ring area in `rdi`, record in `rsi`.
#[unsafe(naked)]
extern "C" fn enter() {
    naked_asm!("and rsp, -16", "xor ebp, ebp", "call {run}", "ud2", run = sym run);
}

unsafe extern "C" fn run(area: *mut u8, record: *mut Thread) -> ! {
    // SAFETY: the kernel passes the ring area and the creator's record, which is this thread's until it ends.
    unsafe {
        ring::attach(area, NULL);
        let handle = await_handle(&(*record).handle);
        ring::with(|ring| ring.set_thread(handle));
        let control = Control::read();
        loop {
            let Body { run, argument } = (*record).body;
            run(argument);
            retire(record);
            if !begins_again(&*record) {
                end((*record).memory);
            }
            become_new(area, handle);
            control.write();
        }
    }
}

/// The handle that the creator got for this thread, perhaps after this thread had begun to run.
fn await_handle(handle: &AtomicU64) -> Handle {
    loop {
        match handle.compare_exchange(NULL, AWAITED, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) | Err(AWAITED) => {
                let _ = raw::wait(NULL, START_BIT, FOREVER);
            }
            Err(known) => return known,
        }
    }
}

/// The calling thread has done what it was started for. Returns if it is kept.
///
/// # Safety
/// `record` is the calling thread's. If it has to end, nothing of its stack and thread-local storage is used any more.
unsafe fn retire(record: *mut Thread) {
    // SAFETY: the record is the caller's until it is retired.
    let (memory, life, handle) =
        unsafe { ((*record).memory, (*record).life.as_ptr(), (*record).handle.load(Ordering::Relaxed)) };
    let may_be_kept = !IS_LENT.get() && ring::with(|ring| ring.is_idle()) && RUNTIME.is_unused();
    heap::flush();
    let retired = RECORDS.lock().retire(record, may_be_kept);
    if retired.is_joined {
        futex::wake_at_next_entry(life as usize);
    }
    if retired.is_kept {
        return;
    }
    if !retired.is_joined {
        // From here on nobody can wake this thread: no lock may be taken any more.
        raw::release(handle);
    }
    // SAFETY: promised by the caller.
    unsafe { end(memory) }
}

/// Waits, kept, for what comes: whether this thread begins again. What others signalled meanwhile is forgotten.
fn begins_again(record: &Thread) -> bool {
    while raw::wait(NULL, u64::MAX, FOREVER).unwrap_or(0) & START_BIT == 0 {}
    record.life.load(Ordering::Acquire) != OVER
}

/// Makes thread-local storage and ring of the calling thread what they were before its first instruction.
///
/// # Safety
/// `area` is its ring area, in which nothing is running. Destructors of its thread-local values have run.
unsafe fn become_new(area: *mut u8, handle: Handle) {
    // SAFETY: promised by the caller.
    unsafe {
        tls::Layout::own().rewind();
        ring::attach(area, handle);
    }
}

/// How a thread computes with floating-point numbers: the only registers that outlive an entry of the kernel.
struct Control {
    mxcsr: u32,
    x87: u16,
}

impl Control {
    fn read() -> Self {
        let mut control = Self { mxcsr: 0, x87: 0 };
        let (mxcsr, x87) = (&raw mut control.mxcsr, &raw mut control.x87);
        // SAFETY: both are stored where there is room for them.
        unsafe { asm!("stmxcsr [{}]", "fnstcw [{}]", in(reg) mxcsr, in(reg) x87, options(nostack)) };
        control
    }

    fn write(&self) {
        // SAFETY: these values were in force when the thread began.
        unsafe { asm!("ldmxcsr [{}]", "fldcw [{}]", in(reg) &self.mxcsr, in(reg) &self.x87, options(nostack)) };
    }
}

/// Ends the calling thread and frees where it lives.
///
/// # Safety
/// `memory` is the calling thread's, which has no more use for its stack and thread-local storage.
unsafe fn end(memory: Memory) -> ! {
    objects::post_unmap(memory.start, memory.bytes);
    leave()
}

/// Runs what is queued on the ring, then ends the thread. The stack is gone after the first of these calls.
#[unsafe(naked)]
extern "C" fn leave() -> ! {
    naked_asm!(
        "mov eax, {cap_enter}",
        "xor edi, edi",
        "xor esi, esi",
        "syscall",
        "mov eax, {exit}",
        "xor edi, edi",
        "syscall",
        "ud2",
        cap_enter = const CAP_ENTER,
        exit = const EXIT,
    );
}
