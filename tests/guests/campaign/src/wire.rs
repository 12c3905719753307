//! A thread's ring, used by hand: entries as they are, completions as they come. Not for threads that run an executor.

use capos_abi::handle::Handle;
use capos_abi::ring::{Completion, Submission, flag, kind, op};
use capos_abi::status::Status;
use capos_rt::arena::Range;
use capos_rt::raw;
use capos_rt::ring::{self, Ring};
use capos_rt::{objects, startup};

/// Words of a message without content: an empty struct.
pub const EMPTY: [u64; 1] = [0xffff_fffc];
/// Words of a message of one struct that points to the one capability which is sent along.
pub const ONE_CAPABILITY: [u64; 2] = [1 << 48, 3];
/// A deadline that has passed.
const PAST: u64 = 1;

/// A range of the arena for messages, which stays the caller's.
pub fn take(bytes: u32) -> Range {
    ring::with(|ring| ring.arena.take(bytes)).expect("the arena has room for what the program needs")
}

/// The offset by which entries name a range.
pub fn offset(range: Range) -> u32 {
    Ring::message_offset(range)
}

/// Writes words to a range, from the word `at` on. What does not fit is left out.
pub fn write(range: Range, at: usize, words: &[u64]) {
    for (index, &word) in words.iter().enumerate().take((range.bytes as usize / 8).saturating_sub(at)) {
        // SAFETY: the word lies in a range that was taken from the arena.
        unsafe { ring::with(|ring| ring.message(range)).add(at + index).write_volatile(word) };
    }
}

/// The word `at` of a range.
///
/// # Panics
/// If it lies behind the range.
pub fn read(range: Range, at: usize) -> u64 {
    assert!(at < range.bytes as usize / 8, "word {at} lies in the range");
    // SAFETY: the word lies in a range that was taken from the arena.
    unsafe { ring::with(|ring| ring.message(range)).add(at).read_volatile() }
}

/// Queues an operation for the next entry of the kernel; its tag.
pub fn start(entry: Submission) -> u16 {
    ring::with(|ring| {
        let tag = ring.take_tag().expect("the program has few operations under way");
        ring.push(Submission { tag, ..entry });
        tag
    })
}

/// Queues an operation that is over at once, and whose end nobody looks at.
pub fn start_quietly(entry: Submission) {
    ring::with(|ring| raw::push_quiet(ring, Submission { flags: entry.flags | flag::QUIET, ..entry }));
}

/// Runs one operation to its end.
pub fn run(entry: Submission) -> Completion {
    ring::with(|ring| ring.run(entry))
}

/// Starts what is queued, and waits until a completion is unread or the time `deadline` has come (0: no deadline).
pub fn wait(deadline: u64) {
    ring::with(|ring| ring.enter(1, deadline));
}

/// The next completion of an operation that was [started](start).
pub fn next() -> Option<Completion> {
    ring::with(|ring| {
        let completion = ring.next()?;
        if completion.kind == kind::DONE {
            ring.give_tag(completion.tag);
        }
        Some(completion)
    })
}

/// Nanoseconds since the kernel started.
pub fn now() -> u64 {
    startup::clock().and_then(|clock| objects::monotonic_nanoseconds(clock).ok()).unwrap_or_default()
}

/// The capability in a slot that the program cannot do without.
pub fn given(name: &str) -> Handle {
    startup::capability(name).unwrap_or_else(|| panic!("nothing was given in the slot {name:?}")).handle
}

/// Cancels the operation under this tag; how that went.
pub fn cancel(tag: u16) -> Status {
    run(Submission { op: op::CANCEL, arg: tag.into(), ..Submission::default() }).status
}

/// The bits that are set of a notification, which are taken.
pub fn take_bits(notification: Handle) -> u64 {
    raw::wait(notification, u64::MAX, PAST).unwrap_or_default()
}
