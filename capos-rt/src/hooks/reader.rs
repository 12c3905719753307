//! Reads a received capnp message in place. Nothing writes the message while it is read, but its bytes are hostile.
use capnp::any_pointer;
use capnp::private::arena::ReaderArena;
use capnp::private::layout::PointerReader;
use capnp::{Error, ErrorKind, Result};
use core::cell::Cell;

/// Words that may be read, counted with repetition, or twice the message if that is more: messages whose pointers overlap cannot multiply work.
const READ_LIMIT_WORDS: usize = 1 << 20;
/// Pointers that may be followed in a row.
const NESTING_LIMIT: i32 = 64;

/// What a message of no bytes reads as: a null root pointer.
static NOTHING: u64 = 0;

/// A received message of one segment.
pub struct MessageReader {
    base: Cell<*const u64>,
    words: Cell<u32>,
    budget: Cell<usize>,
}

impl MessageReader {
    /// An empty message.
    pub const fn new() -> Self {
        Self { base: Cell::new(&raw const NOTHING), words: Cell::new(1), budget: Cell::new(0) }
    }

    /// Reads `words` words at `base` from now on.
    ///
    /// # Safety
    /// These words are initialised and nothing writes them until the next start. No reader of the last message is left.
    #[inline]
    pub unsafe fn start(&self, base: *const u64, words: u32) {
        self.base.set(if words == 0 { &raw const NOTHING } else { base });
        self.words.set(words.max(1));
        self.budget.set(READ_LIMIT_WORDS.max(2 * words as usize));
    }

    /// The root pointer.
    #[inline]
    pub fn root(&self) -> Result<any_pointer::Reader<'_>> {
        Ok(any_pointer::Reader::new(PointerReader::get_root_from_arena(self)?))
    }

    /// Byte position of `place` in the message, if it lies within or just behind it.
    #[inline]
    fn position(&self, id: u32, place: *const u8) -> Result<usize> {
        let position = place.addr().wrapping_sub(self.base.get().addr());
        match id == 0 && position <= self.words.get() as usize * 8 {
            true => Ok(position),
            false => Err(Error::from_kind(ErrorKind::MessageContainsOutOfBoundsPointer)),
        }
    }
}

impl Default for MessageReader {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: the one segment is what `start` was given; every offset and interval is checked against it.
unsafe impl ReaderArena for MessageReader {
    #[inline]
    fn get_segment(&self, id: u32) -> Result<(*const u8, u32)> {
        match id {
            0 => Ok((self.base.get().cast(), self.words.get())),
            id => Err(Error::from_kind(ErrorKind::InvalidSegmentId(id))),
        }
    }

    #[inline]
    unsafe fn check_offset(&self, id: u32, start: *const u8, offset_in_words: i32) -> Result<*const u8> {
        let target = start.wrapping_offset(offset_in_words as isize * 8);
        self.position(id, target).map(|_| target)
    }

    #[inline]
    fn contains_interval(&self, id: u32, start: *const u8, words: usize) -> Result<()> {
        let position = self.position(id, start)?;
        if words > (self.words.get() as usize * 8 - position) / 8 {
            return Err(Error::from_kind(ErrorKind::MessageContainsOutOfBoundsPointer));
        }
        self.amplified_read(words as u64)
    }

    #[inline]
    fn amplified_read(&self, words: u64) -> Result<()> {
        let left = self
            .budget
            .get()
            .checked_sub(words as usize)
            .ok_or_else(|| Error::from_kind(ErrorKind::ReadLimitExceeded))?;
        self.budget.set(left);
        Ok(())
    }

    fn nesting_limit(&self) -> i32 {
        NESTING_LIMIT
    }

    fn size_in_words(&self) -> usize {
        self.words.get() as usize
    }
}
