//! The calling thread's ring: submissions go in, completions come out, and a blocking operation takes its own
//! completion out of order, so that it works at any depth below code that is reading completions.
//!
//! Nothing here allocates. State lies in thread-local storage, which the spawner has set up before the thread's first
//! instruction; [`attach`] must be the first call.
use crate::arena::{Arena, Range};
use crate::syscall::cap_enter;
use capos_abi::handle::{Handle, NULL};
use capos_abi::ring::{
    ARENA_OFFSET, COMPLETION_ENTRIES, COMPLETION_OFFSET, Completion, Header, SUBMISSION_ENTRIES, SUBMISSION_OFFSET,
    Submission, kind,
};
use core::cell::Cell;
use core::mem::offset_of;
use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering};

/// `user_data` of operations whose completion nobody waits for.
pub const IGNORED: u64 = 0;
/// Bit of `user_data` that marks blocking operations; their completions are never given to readers.
pub const BLOCKING: u64 = 1 << 63;
/// Bytes at the start of the arena that blocking calls use; they never nest, so one range serves all.
pub const SCRATCH_BYTES: u32 = 1024;

/// A completion kind that the kernel never writes: read out of order already.
const CONSUMED: u8 = 0xff;

/// Where a ring lies. Who works on it takes this out first: the ring is thread-local memory, which any pointer may reach.
#[derive(Clone, Copy)]
struct Area(*mut u8);

impl Area {
    #[inline]
    fn submission(self, position: u32) -> *mut Submission {
        let offset = SUBMISSION_OFFSET as usize + (position % SUBMISSION_ENTRIES) as usize * size_of::<Submission>();
        self.0.wrapping_add(offset).cast()
    }

    #[inline]
    fn completion(self, position: u32) -> *mut Completion {
        let offset = COMPLETION_OFFSET as usize + (position % COMPLETION_ENTRIES) as usize * size_of::<Completion>();
        self.0.wrapping_add(offset).cast()
    }

    /// The arena, from this offset on.
    #[inline]
    fn arena(self, offset: u32) -> *mut u64 {
        self.0.wrapping_add(ARENA_OFFSET as usize + offset as usize).cast()
    }

    #[inline]
    fn word(&self, offset: usize) -> &AtomicU32 {
        // SAFETY: `offset` is that of a u32 in the header of the attached area, which kernel and thread access atomically.
        unsafe { AtomicU32::from_ptr(self.0.add(offset).cast()) }
    }

    #[inline]
    fn load(self, offset: usize) -> u32 {
        self.word(offset).load(Ordering::Acquire)
    }

    #[inline]
    fn store(self, offset: usize, position: u32) {
        self.word(offset).store(position, Ordering::Release);
    }
}

/// One thread's side of its ring.
pub struct Ring {
    area: Cell<Area>,
    sq_tail: Cell<u32>,
    cq_head: Cell<u32>,
    free_tags: [Cell<u64>; 4],
    thread: Cell<Handle>,
    /// Ranges of the message arena behind the scratch range. Offsets count from [`Ring::message_base`].
    pub arena: Arena,
}

#[thread_local]
static RING: Ring = Ring::new();

/// Connects the calling thread with its ring area. `thread` is the handle of its own `Thread`, 0 if it holds none.
///
/// # Safety
/// `area` is the calling thread's ring area, as the kernel gave it to the thread's entry point, and nothing else accesses it.
pub unsafe fn attach(area: *mut u8, thread: Handle) {
    // SAFETY: promised by the caller.
    unsafe { RING.attach(area, thread) }
}

/// Runs `f` with the calling thread's ring.
#[inline(always)]
pub fn with<R>(f: impl FnOnce(&Ring) -> R) -> R {
    f(&RING)
}

impl Ring {
    const fn new() -> Self {
        Self {
            area: Cell::new(Area(ptr::null_mut())),
            sq_tail: Cell::new(0),
            cq_head: Cell::new(0),
            free_tags: [const { Cell::new(u64::MAX) }; 4],
            thread: Cell::new(NULL),
            arena: Arena::new(),
        }
    }

    unsafe fn attach(&self, area: *mut u8, thread: Handle) {
        self.area.set(Area(area));
        self.thread.set(thread);
        // SAFETY: the header starts the area (caller) and the kernel wrote it before the thread ran.
        let header = unsafe { ptr::read_volatile(area.cast::<Header>()) };
        self.sq_tail.set(header.sq_tail);
        self.cq_head.set(header.cq_head);
        self.free_tags.iter().for_each(|word| word.set(u64::MAX));
        self.arena.reset(header.arena_bytes - SCRATCH_BYTES);
    }

    /// Whether the thread is connected with its ring.
    pub fn is_attached(&self) -> bool {
        !self.area.get().0.is_null()
    }

    /// The handle of the thread's own `Thread`, 0 if it holds none.
    pub fn thread(&self) -> Handle {
        self.thread.get()
    }

    /// Tells the thread its own `Thread`.
    pub fn set_thread(&self, thread: Handle) {
        self.thread.set(thread);
    }

    // ---- submissions

    /// Queues an entry; the next [`Ring::enter`] starts it.
    #[inline(always)]
    pub fn push(&self, entry: Submission) {
        let (area, tail) = (self.area.get(), self.sq_tail.get());
        if tail.wrapping_sub(area.load(offset_of!(Header, sq_head))) >= SUBMISSION_ENTRIES {
            self.make_room(tail);
        }
        // SAFETY: the entry lies in the area and the kernel has left it.
        unsafe { ptr::write(area.submission(tail), entry) };
        let next = tail.wrapping_add(1);
        self.sq_tail.set(next);
        area.store(offset_of!(Header, sq_tail), next);
    }

    /// Position behind the last entry pushed.
    #[inline]
    pub fn position(&self) -> u32 {
        self.sq_tail.get()
    }

    /// Position behind the last entry that the kernel has started.
    #[inline]
    pub fn started(&self) -> u32 {
        self.area.get().load(offset_of!(Header, sq_head))
    }

    /// Whether entries wait to be started.
    #[inline]
    pub fn has_submissions(&self) -> bool {
        self.started() != self.sq_tail.get()
    }

    #[cold]
    fn make_room(&self, tail: u32) {
        self.enter(0, 0);
        assert!(
            tail.wrapping_sub(self.started()) < SUBMISSION_ENTRIES,
            "every submission in the ring has a place for its completion"
        );
    }

    /// Runs the ring, then waits until `min_complete` completions are unread or `deadline` has passed.
    #[inline]
    pub fn enter(&self, min_complete: u32, deadline: u64) {
        cap_enter(min_complete, deadline);
    }

    // ---- completions

    /// Completions that were neither read nor taken out of order, or more by those taken.
    #[inline]
    pub fn unread(&self) -> u32 {
        self.cq_tail().wrapping_sub(self.cq_head.get())
    }

    /// Reads the next completion.
    #[inline]
    pub fn next(&self) -> Option<Completion> {
        let (area, first) = (self.area.get(), self.cq_head.get());
        let (mut head, tail) = (first, area.load(offset_of!(Header, cq_tail)));
        while head != tail {
            // SAFETY: the kernel has published this completion and leaves it alone until the head has passed it.
            let completion = unsafe { ptr::read(area.completion(head)) };
            head = head.wrapping_add(1);
            if Self::is_wanted(&completion) {
                self.set_head(area, head);
                return Some(completion);
            }
        }
        if head != first {
            self.set_head(area, head);
        }
        None
    }

    /// Whether somebody waits for a completion.
    #[inline]
    fn is_wanted(completion: &Completion) -> bool {
        completion.kind != CONSUMED && completion.user_data != IGNORED
    }

    /// Waits for the completion with this `user_data` and takes it, wherever it stands.
    #[inline]
    fn await_completion(&self, user_data: u64) -> Completion {
        loop {
            let tail = self.cq_tail();
            if let Some(found) = self.take(user_data, tail) {
                return found;
            }
            // One more than were looked at: it may have come meanwhile.
            self.enter(tail.wrapping_sub(self.cq_head.get()) + 1, 0);
        }
    }

    /// Takes the completion with this `user_data`, if it stands before `tail`.
    #[inline]
    fn take(&self, user_data: u64, tail: u32) -> Option<Completion> {
        let (area, head) = (self.area.get(), self.cq_head.get());
        let mut position = head;
        while position != tail {
            // SAFETY: as in `next`.
            let found = unsafe { ptr::read(area.completion(position)) };
            if found.user_data == user_data && found.kind == kind::DONE {
                match position == head {
                    true => self.set_head(area, head.wrapping_add(1)),
                    false => self.settle(position, found),
                }
                self.skip_settled();
                return Some(found);
            }
            position = position.wrapping_add(1);
        }
        None
    }

    /// Marks a completion as read out of order.
    #[cold]
    fn settle(&self, position: u32, completion: Completion) {
        // SAFETY: a published completion belongs to this thread.
        unsafe { ptr::write(self.area.get().completion(position), Completion { kind: CONSUMED, ..completion }) };
    }

    /// Moves the head over completions that nobody waits for any more.
    #[inline]
    fn skip_settled(&self) {
        let (area, mut head, tail) = (self.area.get(), self.cq_head.get(), self.cq_tail());
        while head != tail {
            // SAFETY: as in `next`.
            let completion = unsafe { ptr::read(area.completion(head)) };
            if Self::is_wanted(&completion) {
                break;
            }
            head = head.wrapping_add(1);
        }
        if head != self.cq_head.get() {
            self.set_head(area, head);
        }
    }

    #[inline]
    fn set_head(&self, area: Area, head: u32) {
        self.cq_head.set(head);
        area.store(offset_of!(Header, cq_head), head);
    }

    #[inline]
    fn cq_tail(&self) -> u32 {
        self.area.get().load(offset_of!(Header, cq_tail))
    }

    // ---- blocking

    /// Runs one operation to its end. Completions of other operations stay for their readers.
    #[inline(always)]
    pub fn run(&self, entry: Submission) -> Completion {
        let tag = self.take_tag().expect("asynchronous operations leave tags free");
        let user_data = BLOCKING | u64::from(tag);
        let unread = self.unread();
        self.push(Submission { tag, user_data, ..entry });
        self.enter(unread + 1, 0);
        let completion = self.await_completion(user_data);
        self.give_tag(tag);
        completion
    }

    // ---- tags

    /// Whether no operation runs, but for those that are over as soon as they start.
    pub fn is_idle(&self) -> bool {
        self.free_tags.iter().all(|word| word.get() == u64::MAX)
    }

    /// A pending record that is free, and stays so.
    #[inline]
    pub fn free_tag(&self) -> Option<u16> {
        let (index, word) = (0..).zip(&self.free_tags).find(|(_, word)| word.get() != 0)?;
        Some(index * 64 + word.get().trailing_zeros() as u16)
    }

    /// Takes a pending record.
    #[inline]
    pub fn take_tag(&self) -> Option<u16> {
        let tag = self.free_tag()?;
        let word = self.tag_word(tag);
        word.set(word.get() & (word.get() - 1));
        Some(tag)
    }

    /// Gives a pending record back, after its DONE completion.
    #[inline]
    pub fn give_tag(&self, tag: u16) {
        let word = self.tag_word(tag);
        word.set(word.get() | 1 << (tag % 64));
    }

    /// The free tags beside this one.
    #[inline]
    fn tag_word(&self, tag: u16) -> &Cell<u64> {
        &self.free_tags[usize::from(tag) / 64 % 4]
    }

    // ---- arena

    /// The scratch range of blocking calls.
    pub fn scratch(&self) -> *mut u64 {
        self.area.get().arena(0)
    }

    /// The first word of a range of [`Ring::arena`].
    #[inline]
    pub fn message(&self, range: Range) -> *mut u64 {
        self.area.get().arena(Self::message_offset(range))
    }

    /// A range's offset as entries name it.
    #[inline]
    pub fn message_offset(range: Range) -> u32 {
        SCRATCH_BYTES + range.offset
    }
}
