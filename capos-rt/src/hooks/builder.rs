//! Builds a capnp message in place, in a range of the ring's arena.
//!
//! The first words are zeroed at the start, others as they are handed out. What does not fit goes to segments on the heap: building cannot fail, and
//! the message is made one piece when it is sent.
use alloc::boxed::Box;
use alloc::vec::Vec;
use capnp::any_pointer;
use capnp::private::arena::{BuilderArena, ReaderArena};
use capnp::private::layout::PointerBuilder;
use capnp::{Error, ErrorKind, Result};

/// Words of a heap segment at least.
const SPILL_WORDS: u32 = 512;

/// Words that are zeroed at once when a message starts: as many as an ordinary one has.
const CLEAN_WORDS: usize = 16;

/// A message being built.
pub struct MessageBuilder {
    base: *mut u64,
    used: u32,
    capacity: u32,
    /// Words from the first one on that were zeroed, if they are more than those used.
    clean: u32,
    /// Whether anything of it is on the heap: segment 0, or those behind it.
    has_spilled: bool,
    home: Option<Spill>,
    spilled: Vec<Spill>,
}

/// A segment on the heap. It is no box, because readers and builders point into it while it moves.
struct Spill {
    words: *mut [u64],
    used: u32,
}

impl Spill {
    fn new(words: u32, used: u32) -> Self {
        Self { words: Box::into_raw(alloc::vec![0; words as usize].into_boxed_slice()), used }
    }
}

impl Drop for Spill {
    fn drop(&mut self) {
        // SAFETY: it came from `Box::into_raw`, and the message that pointed into it is gone.
        drop(unsafe { Box::from_raw(self.words) });
    }
}

impl MessageBuilder {
    /// Not a message yet.
    pub const fn new() -> Self {
        Self {
            base: core::ptr::null_mut(),
            used: 0,
            capacity: 0,
            clean: 0,
            has_spilled: false,
            home: None,
            spilled: Vec::new(),
        }
    }

    /// Starts an empty message of up to `capacity` words at `base`.
    ///
    /// # Safety
    /// These words belong to this message until it is started again or dropped; there is at least one.
    #[inline]
    pub unsafe fn start(&mut self, base: *mut u64, capacity: u32) {
        self.base = base;
        self.capacity = capacity;
        self.used = 1;
        let is_ordinary = capacity as usize >= CLEAN_WORDS;
        self.clean = if is_ordinary { CLEAN_WORDS as u32 } else { 1 };
        // SAFETY: the caller owns `capacity` words, and one at least.
        unsafe {
            match is_ordinary {
                true => base.cast::<[u64; CLEAN_WORDS]>().write([0; CLEAN_WORDS]),
                false => base.write(0),
            }
        }
        self.forget_spilled();
    }

    /// Frees what is on the heap; the message is not one any more if anything was.
    #[inline(always)]
    pub fn forget_spilled(&mut self) {
        if self.has_spilled {
            self.free_spilled();
        }
    }

    #[cold]
    fn free_spilled(&mut self) {
        self.has_spilled = false;
        self.home = None;
        self.spilled = Vec::new();
    }

    /// Starts an empty message on the heap.
    #[cold]
    pub fn start_on_heap(&mut self) {
        self.spilled.clear();
        self.has_spilled = true;
        let home = self.home.insert(Spill::new(SPILL_WORDS, SPILL_WORDS));
        self.base = home.words.cast();
        self.capacity = SPILL_WORDS;
        self.clean = SPILL_WORDS;
        self.used = 1;
    }

    /// Words of the first segment.
    #[inline]
    pub fn words(&self) -> u32 {
        self.used
    }

    /// Whether the message has to be copied before it can be sent.
    #[inline]
    pub fn has_spilled(&self) -> bool {
        self.has_spilled
    }

    /// Words of a copy in one segment, at most.
    #[inline]
    pub fn total_words(&self) -> u32 {
        if self.has_spilled { self.spilled_words() } else { self.used }
    }

    #[cold]
    fn spilled_words(&self) -> u32 {
        self.used + self.spilled.iter().map(|s| s.used).sum::<u32>()
    }

    /// The root pointer.
    #[inline]
    pub fn root(&mut self) -> any_pointer::Builder<'_> {
        let base = self.base.cast();
        any_pointer::Builder::new(PointerBuilder::get_root(self, 0, base))
    }

    /// The words of the first segment.
    pub fn segment_mut(&mut self) -> &mut [u64] {
        // SAFETY: the words up to `used` were initialised by `allocate` and belong to this message.
        unsafe { core::slice::from_raw_parts_mut(self.base, self.used as usize) }
    }

    #[cold]
    fn spill(&mut self, amount: u32) -> (u32, u32) {
        if let Some(last) = self.spilled.last_mut().filter(|s| s.words.len() as u32 - s.used >= amount) {
            let at = last.used;
            last.used += amount;
            return (self.spilled.len() as u32, at);
        }
        self.has_spilled = true;
        self.spilled.push(Spill::new(amount.max(SPILL_WORDS), amount));
        (self.spilled.len() as u32, 0)
    }
}

impl Default for MessageBuilder {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: segment 0 is the range given to `start`, the others are boxes that neither move nor shrink before the next start.
// Offsets and intervals are not checked because only capnp's own builder code wrote this message.
unsafe impl ReaderArena for MessageBuilder {
    #[inline]
    fn get_segment(&self, id: u32) -> Result<(*const u8, u32)> {
        match id.checked_sub(1) {
            None => Ok((self.base.cast_const().cast(), self.used)),
            Some(index) => {
                let spill = self
                    .spilled
                    .get(index as usize)
                    .ok_or_else(|| Error::from_kind(ErrorKind::InvalidSegmentId(id)))?;
                Ok((spill.words.cast_const().cast(), spill.used))
            }
        }
    }

    #[inline]
    unsafe fn check_offset(&self, _: u32, start: *const u8, offset_in_words: i32) -> Result<*const u8> {
        // SAFETY: the builder's own pointers stay within their segment.
        Ok(unsafe { start.offset(offset_in_words as isize * 8) })
    }

    #[inline]
    fn contains_interval(&self, _: u32, _: *const u8, _: usize) -> Result<()> {
        Ok(())
    }

    #[inline]
    fn amplified_read(&self, _: u64) -> Result<()> {
        Ok(())
    }

    fn nesting_limit(&self) -> i32 {
        i32::MAX
    }

    fn size_in_words(&self) -> usize {
        self.total_words() as usize
    }
}

// SAFETY: as above; `allocate` hands out every word once.
unsafe impl BuilderArena for MessageBuilder {
    #[inline]
    fn allocate(&mut self, segment: u32, amount: u32) -> Option<u32> {
        if segment != 0 || amount > self.capacity - self.used {
            return None;
        }
        let at = self.used;
        self.used += amount;
        if self.used > self.clean {
            let first = at.max(self.clean);
            // SAFETY: these words lie within the capacity and were not handed out before.
            unsafe { self.base.add(first as usize).write_bytes(0, (self.used - first) as usize) };
        }
        Some(at)
    }

    fn allocate_anywhere(&mut self, amount: u32) -> (u32, u32) {
        match self.allocate(0, amount) {
            Some(at) => (0, at),
            None => self.spill(amount),
        }
    }

    #[inline]
    fn get_segment_mut(&mut self, id: u32) -> (*mut u8, u32) {
        match id {
            0 => (self.base.cast(), self.capacity),
            id => {
                let words = self.spilled[id as usize - 1].words;
                (words.cast(), words.len() as u32)
            }
        }
    }

    fn as_reader(&self) -> &dyn ReaderArena {
        self
    }
}
