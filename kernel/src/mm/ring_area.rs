//! Ring areas through the direct map. A program may change them at any time, so every access is volatile and reads a word
//! once; offsets that leave the area are a bug of the core.

use super::layout;
use capos_abi::ring::{
    ABI_VERSION, ARENA_OFFSET, COMPLETION_ENTRIES, COMPLETION_OFFSET, Completion, Header, SUBMISSION_ENTRIES,
    SUBMISSION_OFFSET, Submission, SubmissionHead,
};
use core::array;
use core::mem::{offset_of, transmute};
use core::ptr;
use core::sync::atomic::{Ordering, fence};
use kernel_core::platform::RingArea;

/// Words of a submission.
const SUBMISSION_WORDS: usize = size_of::<Submission>() / 8;
/// Words of a completion.
const COMPLETION_WORDS: usize = size_of::<Completion>() / 8;

/// Writes a fresh header.
pub fn init(area: RingArea) {
    let words = [
        (offset_of!(Header, abi_version), ABI_VERSION),
        (offset_of!(Header, area_bytes), area.bytes),
        (offset_of!(Header, arena_bytes), area.bytes - ARENA_OFFSET),
    ];
    for (offset, value) in words {
        write_header(area, offset, value);
    }
}

/// The program's submission tail. What it wrote before it is visible behind this.
pub fn submission_tail(area: RingArea) -> u32 {
    let tail = read_header(area, offset_of!(Header, sq_tail));
    fence(Ordering::Acquire);
    tail
}

/// The program's completion head. It has read what stands before it, and that may be written again.
pub fn completion_head(area: RingArea) -> u32 {
    let head = read_header(area, offset_of!(Header, cq_head));
    fence(Ordering::Acquire);
    head
}

/// The first word of the submission at a position.
#[inline]
pub fn submission_head(area: RingArea, position: u32) -> SubmissionHead {
    // SAFETY: a head is integers without padding, as long as a word.
    unsafe { transmute(submission_word(area, position, 0)) }
}

/// The user data of the submission at a position.
#[inline]
pub fn submission_user_data(area: RingArea, position: u32) -> u64 {
    submission_word(area, position, offset_of!(Submission, user_data) / 8)
}

/// The submission at a position, behind its first word.
#[inline]
pub fn submission(area: RingArea, position: u32, head: SubmissionHead) -> Submission {
    // SAFETY: a head is integers without padding, as long as a word.
    let head: u64 = unsafe { transmute(head) };
    let words: [u64; SUBMISSION_WORDS] =
        array::from_fn(|word| if word == 0 { head } else { submission_word(area, position, word) });
    // SAFETY: a submission is integers without padding.
    unsafe { transmute(words) }
}

#[inline]
fn submission_word(area: RingArea, position: u32, word: usize) -> u64 {
    let offset = SUBMISSION_OFFSET + position % SUBMISSION_ENTRIES * size_of::<Submission>() as u32;
    // SAFETY: the entry lies in the area, whose frames the core holds as long as it names the area.
    unsafe { ptr::read_volatile(start(area, offset).add(word)) }
}

/// Stores a completion at a position.
#[inline]
pub fn post(area: RingArea, position: u32, completion: &Completion) {
    let offset = COMPLETION_OFFSET + position % COMPLETION_ENTRIES * size_of::<Completion>() as u32;
    let to = start(area, offset);
    // SAFETY: a completion is integers without padding.
    let words: [u64; COMPLETION_WORDS] = unsafe { transmute(*completion) };
    for (word, value) in words.into_iter().enumerate() {
        // SAFETY: as in `submission`.
        unsafe { ptr::write_volatile(to.add(word), value) };
    }
}

/// Publishes the kernel's submission head: it has read what stands before it, and that may be written again.
pub fn publish_submission_head(area: RingArea, position: u32) {
    fence(Ordering::Release);
    write_header(area, offset_of!(Header, sq_head), position);
}

/// Publishes the kernel's completion tail, after the completions before it.
pub fn publish_completion_tail(area: RingArea, position: u32) {
    fence(Ordering::Release);
    write_header(area, offset_of!(Header, cq_tail), position);
}

/// Where `words` words of the arena begin.
#[inline]
pub fn arena(area: RingArea, offset: u32, words: usize) -> *mut u64 {
    let end = u64::from(offset) + words as u64 * 8;
    if !offset.is_multiple_of(8) || end > u64::from(area.bytes - ARENA_OFFSET) {
        outside(area, offset, end);
    }
    start(area, ARENA_OFFSET + offset)
}

#[cold]
#[inline(never)]
fn outside(area: RingArea, offset: u32, end: u64) -> ! {
    let bytes = area.bytes - ARENA_OFFSET;
    crate::panic::bug(format_args!("the core reaches for {offset:#x}..{end:#x} of an arena of {bytes:#x} bytes"))
}

#[inline]
fn start(area: RingArea, offset: u32) -> *mut u64 {
    layout::direct(area.address + u64::from(offset)) as *mut u64
}

#[inline]
fn read_header(area: RingArea, offset: usize) -> u32 {
    // SAFETY: the header lies in the area; as in `submission`.
    unsafe { ptr::read_volatile(start(area, offset as u32) as *const u32) }
}

#[inline]
fn write_header(area: RingArea, offset: usize, value: u32) {
    // SAFETY: as in `read_header`.
    unsafe { ptr::write_volatile(start(area, offset as u32) as *mut u32, value) };
}
