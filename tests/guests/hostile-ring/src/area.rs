//! A thread's ring area as plain memory, which every thread of the process writes.

use capos_abi::ring::{
    ARENA_OFFSET, COMPLETION_ENTRIES, COMPLETION_OFFSET, DEFAULT_AREA_BYTES, Header, SUBMISSION_ENTRIES,
    SUBMISSION_OFFSET,
};
use capos_rt::ring;
use std::mem::offset_of;
use std::ptr::with_exposed_provenance_mut;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Words of a submission.
pub const SUBMISSION_WORDS: usize = 8;
/// Words of a completion.
pub const COMPLETION_WORDS: usize = 4;
/// Words of an area.
pub const WORDS: usize = DEFAULT_AREA_BYTES as usize / 8;

/// Offset of the word that says where the submissions end.
pub const SUBMISSION_TAIL: usize = offset_of!(Header, sq_tail);
/// Offset of the word that says which completions were read.
pub const COMPLETION_HEAD: usize = offset_of!(Header, cq_head);
/// Offset of the word that says which submissions have started.
pub const SUBMISSION_HEAD: usize = offset_of!(Header, sq_head);
/// Offset of the word that says where the completions end.
pub const COMPLETION_TAIL: usize = offset_of!(Header, cq_tail);

/// The ring area at an address.
#[derive(Clone, Copy)]
pub struct Area(pub usize);

impl Area {
    /// That of the calling thread.
    pub fn own() -> Area {
        Area(ring::with(|ring| ring.scratch().expose_provenance()) - ARENA_OFFSET as usize)
    }

    /// A word of the area, by its index.
    pub fn word(&self, index: usize) -> &AtomicU64 {
        // SAFETY: inside of a thread's ring area, which stays until all threads have ended; everybody writes it by atomics alone.
        unsafe { AtomicU64::from_ptr(with_exposed_provenance_mut(self.0 + index % WORDS * 8)) }
    }

    /// A position in the header, by its offset.
    pub fn position(&self, offset: usize) -> &AtomicU32 {
        // SAFETY: as in `word`; the offset is that of a u32 in the header.
        unsafe { AtomicU32::from_ptr(with_exposed_provenance_mut(self.0 + offset)) }
    }

    /// A word of the message arena, by its index there.
    pub fn message(&self, index: usize) -> &AtomicU64 {
        self.word(ARENA_OFFSET as usize / 8 + index)
    }

    /// Writes a submission where that of this position is due.
    pub fn write_submission(&self, position: u32, words: [u64; SUBMISSION_WORDS]) {
        let place = (position % SUBMISSION_ENTRIES) as usize * SUBMISSION_WORDS;
        for (index, word) in words.into_iter().enumerate() {
            self.word(SUBMISSION_OFFSET as usize / 8 + place + index).store(word, Ordering::Relaxed);
        }
    }

    /// Reads the completion at this position.
    pub fn read_completion(&self, position: u32) -> [u64; COMPLETION_WORDS] {
        let place = (position % COMPLETION_ENTRIES) as usize * COMPLETION_WORDS;
        std::array::from_fn(|index| self.word(COMPLETION_OFFSET as usize / 8 + place + index).load(Ordering::Relaxed))
    }
}
