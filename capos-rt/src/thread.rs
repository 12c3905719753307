//! Threads: made by the `Ledger`, with a stack behind a guard page and thread-local storage in one mapping.
//!
//! A thread that ends frees that mapping itself, in its last two system calls, which need no stack. What remains until
//! then, or until somebody who joins has seen the end, is its [`Thread`] record.
use crate::futex::FOREVER;
use crate::lock::SpinLock;
use crate::objects::{self, Start};
use crate::{heap, raw, ring, tls};
use capos_abi::PAGE_BYTES;
use capos_abi::handle::{Handle, NULL};
use capos_abi::syscall::{CAP_ENTER, EXIT};
use core::alloc::Layout;
use core::arch::naked_asm;
use core::ptr;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// A thread's name within the process; the main thread's is 1.
pub type Id = u32;

/// Bit of a new thread's own notification: its handle is known now.
const START_BIT: u64 = 1 << 62;
/// In place of a handle: unknown, and the new thread sleeps until it is known. No handle has this value.
const AWAITED: Handle = 1;
/// Bytes of the smallest stack.
const MIN_STACK_BYTES: usize = 64 << 10;
/// A deadline in the past: gives the processor away without waiting.
const PAST: u64 = 1;

struct Thread {
    id: Id,
    handle: AtomicU64,
    mapping: u64,
    mapping_bytes: u64,
    run: extern "C" fn(usize),
    argument: usize,
    joined: bool,
    next: *mut Thread,
}

/// Threads that have not ended.
struct Live {
    first: *mut Thread,
}

// SAFETY: records are linked, unlinked and read under the lock of the list.
unsafe impl Send for Live {}

static LIVE: SpinLock<Live> = SpinLock::new(Live { first: ptr::null_mut() });
static NEXT_ID: AtomicU32 = AtomicU32::new(2);

/// The calling thread's handle of its own `Thread`.
pub fn own_handle() -> Handle {
    ring::with(|ring| ring.thread())
}

/// Lets other threads run.
pub fn yield_now() {
    let _ = raw::wait(NULL, 0, PAST);
}

/// Starts a thread that calls `run(argument)`. Without the means for it: none.
pub fn spawn(run: extern "C" fn(usize), argument: usize, stack_bytes: usize) -> Option<Id> {
    let storage = tls::Layout::own();
    let stack_bytes = stack_bytes.max(MIN_STACK_BYTES).next_multiple_of(PAGE_BYTES as usize);
    let bytes = (PAGE_BYTES as usize + stack_bytes + storage.area_bytes()).next_multiple_of(PAGE_BYTES as usize) as u64;
    let mapping = map(bytes)?;
    let end = ptr::with_exposed_provenance_mut::<u8>((mapping + bytes) as usize);
    // SAFETY: the end of the mapping is the storage's, the rest below is stack.
    let thread_pointer = unsafe { storage.build(end) };
    let record = Thread {
        id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
        handle: AtomicU64::new(NULL),
        mapping,
        mapping_bytes: bytes,
        run,
        argument,
        joined: false,
        next: ptr::null_mut(),
    };
    let stack_pointer = mapping + PAGE_BYTES + stack_bytes as u64;
    let id = record.id;
    let started = store(record).filter(|&record| start(record, stack_pointer, thread_pointer as u64));
    if started.is_none() {
        let _ = objects::unmap(mapping, bytes);
    }
    started.map(|_| id)
}

/// Waits until a thread has ended. A thread that is not known has ended before.
pub fn join(id: Id) {
    let Some((record, handle)) = LIVE.lock().claim(id) else { return };
    // It fails only while the kernel lacks memory for one that waits, and the record must outlive the thread.
    while objects::join_thread(handle).is_err() {
        yield_now();
    }
    raw::release(handle);
    discard(record);
}

/// Reserves `bytes`, all of them writable but the first page.
fn map(bytes: u64) -> Option<u64> {
    let mapping = objects::reserve(bytes).ok()?;
    if objects::commit(mapping + PAGE_BYTES, bytes - PAGE_BYTES).is_err() {
        let _ = objects::unmap(mapping, bytes);
        return None;
    }
    Some(mapping)
}

/// Starts the thread of a record; frees the record if that fails.
fn start(record: *mut Thread, stack_pointer: u64, thread_pointer: u64) -> bool {
    let entry = enter as extern "C" fn() as usize as u64;
    LIVE.lock().link(record);
    match objects::create_thread(&Start { entry, stack_pointer, thread_pointer, argument: record as u64 }) {
        Ok(handle) => {
            // SAFETY: the thread cannot end, and so free its record, before it knows its handle.
            if unsafe { (*record).handle.swap(handle, Ordering::AcqRel) } == AWAITED {
                raw::signal(handle, START_BIT);
            }
            true
        }
        Err(_) => {
            LIVE.lock().unlink(record);
            discard(record);
            false
        }
    }
}

/// The first instructions of a thread: ring area in `rdi`, record in `rsi`.
#[unsafe(naked)]
extern "C" fn enter() {
    naked_asm!("and rsp, -16", "xor ebp, ebp", "call {run}", "ud2", run = sym run);
}

unsafe extern "C" fn run(area: *mut u8, record: *mut Thread) -> ! {
    // SAFETY: the kernel passes the ring area and the creator's record, which lives until this thread has retired.
    unsafe {
        ring::attach(area, NULL);
        let handle = await_handle(&(*record).handle);
        ring::with(|ring| ring.set_thread(handle));
        ((*record).run)((*record).argument);
        end(record)
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

/// Ends the calling thread and frees what it used.
///
/// # Safety
/// `record` is the calling thread's, which has no more use for its stack and thread-local storage.
unsafe fn end(record: *mut Thread) -> ! {
    // SAFETY: the record lives until it is discarded, here or by whoever joins.
    let (mapping, bytes, handle) =
        unsafe { ((*record).mapping, (*record).mapping_bytes, (*record).handle.load(Ordering::Acquire)) };
    let joined = {
        let mut live = LIVE.lock();
        live.unlink(record);
        // SAFETY: as above.
        unsafe { (*record).joined }
    };
    if !joined {
        discard(record);
        // From here on nobody can wake this thread: no lock may be taken any more.
        raw::release(handle);
    }
    objects::post_unmap(mapping, bytes);
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

fn store(record: Thread) -> Option<*mut Thread> {
    let place = heap::allocate(Layout::new::<Thread>()).cast::<Thread>();
    if place.is_null() {
        return None;
    }
    // SAFETY: fresh memory of the right size and alignment.
    unsafe { place.write(record) };
    Some(place)
}

fn discard(record: *mut Thread) {
    // SAFETY: `store` made it, it is linked nowhere, and nobody uses it any more.
    unsafe { heap::free(record.cast(), Layout::new::<Thread>()) }
}

impl Live {
    fn link(&mut self, record: *mut Thread) {
        // SAFETY: records are alive until discarded, and discarded only after they were unlinked.
        unsafe { (*record).next = self.first };
        self.first = record;
    }

    fn unlink(&mut self, record: *mut Thread) {
        let mut link: *mut *mut Thread = &mut self.first;
        // SAFETY: linked records are alive.
        unsafe {
            while !(*link).is_null() {
                if *link == record {
                    *link = (*record).next;
                    return;
                }
                link = &raw mut (**link).next;
            }
        }
    }

    /// Leaves the record of a live thread to the caller, who joins it.
    fn claim(&mut self, id: Id) -> Option<(*mut Thread, Handle)> {
        let mut record = self.first;
        // SAFETY: linked records are alive.
        unsafe {
            while !record.is_null() {
                if (*record).id == id && !(*record).joined {
                    (*record).joined = true;
                    return Some((record, (*record).handle.load(Ordering::Acquire)));
                }
                record = (*record).next;
            }
        }
        None
    }
}
