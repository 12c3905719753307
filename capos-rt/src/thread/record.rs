//! The records of threads, in lists: of those that run, of those that are kept for the next spawn, and of nobody.
//!
//! A record is never freed, only used again: who joins may still look at it when its thread has begun something else.
use crate::heap;
use crate::thread::{Id, MAX_KEPT};
use capos_abi::handle::NULL;
use core::alloc::Layout;
use core::ptr;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// In [`Thread::life`]: the thread has done what it was started for, and is kept.
const KEPT: Id = 0;
/// In [`Thread::life`]: the thread ends for good.
pub const OVER: Id = Id::MAX;

/// A thread.
pub struct Thread {
    /// Its name while it runs, else [`KEPT`] or [`OVER`]. Who joins waits until it is the name no more.
    pub life: AtomicU32,
    /// Its handle; before its creator knows it, 0 or a mark that it is awaited.
    pub handle: AtomicU64,
    /// Where it lives.
    pub memory: Memory,
    /// What it runs.
    pub body: Body,
    is_joined: bool,
    next: *mut Thread,
}

/// What a thread runs.
#[derive(Clone, Copy)]
pub struct Body {
    /// The function.
    pub run: extern "C" fn(usize),
    /// Its argument.
    pub argument: usize,
}

/// A thread's mapping: a guard page, its stack, its thread-local storage.
#[derive(Clone, Copy)]
pub struct Memory {
    /// First address.
    pub start: u64,
    /// Bytes of all.
    pub bytes: u64,
    /// Bytes of the stack.
    pub stack_bytes: usize,
}

/// What becomes of a thread that has done what it was started for.
pub struct Retired {
    /// It waits for the next spawn.
    pub is_kept: bool,
    /// Somebody waits for its end.
    pub is_joined: bool,
}

/// All records but those of threads whose end somebody awaits.
pub struct Records {
    running: List,
    kept: List,
    kept_count: usize,
    keeps: bool,
    unused: List,
    last_id: Id,
}

struct List {
    first: *mut Thread,
}

// SAFETY: records are linked, unlinked and read under the lock that holds this value.
unsafe impl Send for Records {}

impl Records {
    /// None but the main thread, which is 1 and has no record.
    pub const fn new() -> Self {
        Self { running: List::new(), kept: List::new(), kept_count: 0, keeps: true, unused: List::new(), last_id: 1 }
    }

    /// A record that nobody uses.
    pub fn take_unused(&mut self) -> Option<*mut Thread> {
        self.unused.pop(|_| true)
    }

    /// Gives a record up whose thread does not look at it any more.
    pub fn give_up(&mut self, record: *mut Thread) {
        self.unused.push(record);
    }

    /// Gives the thread of a record a name: from here on it runs.
    pub fn begin(&mut self, record: *mut Thread) -> Id {
        self.last_id = if self.last_id >= OVER - 1 { 2 } else { self.last_id + 1 };
        self.running.push(record);
        // SAFETY: linked records are valid.
        unsafe {
            (*record).is_joined = false;
            (*record).life.store(self.last_id, Ordering::Release);
        }
        self.last_id
    }

    /// Takes back that the thread runs: it could not be started.
    pub fn withdraw(&mut self, record: *mut Thread) {
        self.running.remove(record);
        self.unused.push(record);
    }

    /// A kept thread with such a stack begins to run `body`.
    pub fn begin_again(&mut self, stack_bytes: usize, body: Body) -> Option<(*mut Thread, Id)> {
        let record = self.kept.pop(|thread| thread.memory.stack_bytes == stack_bytes)?;
        self.kept_count -= 1;
        // SAFETY: a kept thread reads its body only after it has begun.
        unsafe { (*record).body = body };
        Some((record, self.begin(record)))
    }

    /// Lets the caller join a thread that runs and that nobody has joined.
    pub fn claim(&mut self, id: Id) -> Option<*mut Thread> {
        let record = self.running.find(|thread| thread.life.load(Ordering::Relaxed) == id && !thread.is_joined)?;
        // SAFETY: linked records are valid.
        unsafe { (*record).is_joined = true };
        Some(record)
    }

    /// The thread of a record has done what it was started for. If it is not kept, and not joined, nobody needs its record.
    pub fn retire(&mut self, record: *mut Thread, may_be_kept: bool) -> Retired {
        self.running.remove(record);
        let is_kept = may_be_kept && self.keeps && self.kept_count < MAX_KEPT;
        // SAFETY: the record is the caller's.
        let is_joined = unsafe {
            (*record).life.store(if is_kept { KEPT } else { OVER }, Ordering::Release);
            (*record).is_joined
        };
        if is_kept {
            self.kept.push(record);
            self.kept_count += 1;
        } else if !is_joined {
            self.unused.push(record);
        }
        Retired { is_kept, is_joined }
    }

    /// A kept thread, whose end the caller has to await.
    pub fn take_kept(&mut self) -> Option<*mut Thread> {
        let record = self.kept.pop(|_| true)?;
        self.kept_count -= 1;
        // SAFETY: records are valid for ever.
        unsafe { (*record).life.store(OVER, Ordering::Release) };
        Some(record)
    }

    /// From now on no thread is kept.
    pub fn keep_no_more(&mut self) {
        self.keeps = false;
    }
}

impl List {
    const fn new() -> Self {
        Self { first: ptr::null_mut() }
    }

    fn push(&mut self, record: *mut Thread) {
        // SAFETY: records are valid for ever, and the lock of the lists is held.
        unsafe { (*record).next = self.first };
        self.first = record;
    }

    fn find(&self, is_wanted: impl Fn(&Thread) -> bool) -> Option<*mut Thread> {
        let mut record = self.first;
        // SAFETY: as above.
        while let Some(thread) = unsafe { record.as_ref() } {
            if is_wanted(thread) {
                return Some(record);
            }
            record = thread.next;
        }
        None
    }

    fn pop(&mut self, is_wanted: impl Fn(&Thread) -> bool) -> Option<*mut Thread> {
        let record = self.find(is_wanted)?;
        self.remove(record);
        Some(record)
    }

    fn remove(&mut self, record: *mut Thread) {
        let mut link: *mut *mut Thread = &mut self.first;
        // SAFETY: as above.
        unsafe {
            while !(*link).is_null() && *link != record {
                link = &raw mut (**link).next;
            }
            if *link == record {
                *link = (*record).next;
            }
        }
    }
}

/// Writes the record of a new thread to `place`, or to fresh memory; `None`: there is none.
pub fn store(place: Option<*mut Thread>, memory: Memory, body: Body) -> Option<*mut Thread> {
    let place = place.unwrap_or_else(|| heap::allocate(Layout::new::<Thread>()).cast());
    if place.is_null() {
        return None;
    }
    let (life, handle) = (AtomicU32::new(OVER), AtomicU64::new(NULL));
    // SAFETY: memory of the right size and alignment that nobody uses.
    unsafe { place.write(Thread { life, handle, memory, body, is_joined: false, next: ptr::null_mut() }) };
    Some(place)
}
