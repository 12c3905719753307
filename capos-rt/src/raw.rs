//! Blocking operations without heap, for what stands below it: heap growth, futexes, threads, start-up.
//!
//! Messages are built by hand from the layouts in [`capos_abi::interface`]; everybody else uses generated clients.
use crate::exhausted::Exhausted;
use crate::ring::{self, Ring, SCRATCH_BYTES};
use capos_abi::handle::Handle;
use capos_abi::layout::{Pointer, Scalar, Shape};
use capos_abi::message::CapDescriptor;
use capos_abi::ring::{Completion, Submission, flag, op};
use capos_abi::status::{self, Status};

/// Words of the scratch range, in which a message or result lies, capabilities included.
const SCRATCH_WORDS: usize = SCRATCH_BYTES as usize / 8;
/// Words of a message or result that are not bytes of its Text or Data, at most; capabilities of a result included.
pub const FIXED_WORDS: usize = 24;
/// Capabilities sent with a message, at most.
const MAX_SENT: usize = 2;

/// Why an operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// One of [`capos_abi::status`], never `OK`.
    pub status: Status,
    /// The completion's `bytes`.
    pub bytes: u32,
    /// The completion's `value`.
    pub value: u64,
}

impl Failure {
    /// The completion's `value`, or why the operation failed.
    pub fn check(done: &Completion) -> Result<u64, Failure> {
        match done.status {
            status::OK => Ok(done.value),
            status => Err(Failure { status, bytes: done.bytes, value: done.value }),
        }
    }

    /// What ran out, if that is why.
    pub fn exhausted(&self) -> Option<Exhausted> {
        (self.status == status::EXHAUSTED).then(|| Exhausted::from_completion(self.bytes, self.value))
    }
}

/// A capnp message of one flat struct with at most one Text, and the capabilities that go with it.
pub struct Message<'a> {
    words: [u64; FIXED_WORDS],
    used: usize,
    shape: Shape,
    caps: [CapDescriptor; MAX_SENT],
    cap_count: usize,
    text: &'a [u8],
    text_words: usize,
}

impl<'a> Message<'a> {
    /// A message with every field at its default.
    #[inline]
    pub fn new(shape: Shape) -> Self {
        let mut words = [0; FIXED_WORDS];
        words[0] = u64::from(shape.data_words) << 32 | u64::from(shape.pointers) << 48;
        if shape.data_words == 0 && shape.pointers == 0 {
            words[0] = 0xffff_fffc; // an empty struct points at itself
        }
        let used = 1 + usize::from(shape.data_words) + usize::from(shape.pointers);
        let caps = [CapDescriptor::default(); MAX_SENT];
        Self { words, used, shape, caps, cap_count: 0, text: &[], text_words: 0 }
    }

    /// Sets a number.
    #[inline]
    pub fn set(mut self, field: Scalar, value: u64) -> Self {
        let (word, shift) = (1 + field.offset as usize / 8, (field.offset % 8) * 8);
        let mask = u64::MAX >> (64 - 8 * field.bytes);
        self.words[word] = self.words[word] & !(mask << shift) | ((value ^ field.default) & mask) << shift;
        self
    }

    /// Sets a capability; the receiver gets a copy.
    #[inline]
    pub fn set_capability(mut self, field: Pointer, handle: Handle) -> Self {
        let at = self.pointer(field);
        self.words[at] = 3 | (self.cap_count as u64) << 32;
        self.caps[self.cap_count] = CapDescriptor { handle, mode: capos_abi::message::mode::COPY };
        self.cap_count += 1;
        self
    }

    /// Sets a Text (which ends with a zero byte that `text` does not have), cut at what fits. At most one, and last.
    pub fn set_text(mut self, field: Pointer, text: &'a str) -> Self {
        let room = SCRATCH_BYTES as usize - self.used * 8 - self.cap_count * size_of::<CapDescriptor>();
        let end = text.floor_char_boundary(text.len().min(room - 1));
        let (at, count) = (self.pointer(field), end + 1);
        self.words[at] = 1 | ((self.used - at - 1) as u64) << 2 | 2 << 32 | (count as u64) << 35;
        self.text = &text.as_bytes()[..end];
        self.text_words = count.div_ceil(8);
        self
    }

    #[inline]
    fn pointer(&self, field: Pointer) -> usize {
        1 + usize::from(self.shape.data_words) + usize::from(field.index)
    }

    /// Writes descriptors, segment and text into the scratch range; returns their bytes.
    #[inline]
    fn write(&self, ring: &Ring) -> u32 {
        let mut at = 0;
        let mut put = |word: u64| {
            debug_assert!(at < SCRATCH_WORDS, "a message fits into the scratch range");
            // SAFETY: capabilities and fixed words are fewer than the scratch range has, a text was cut at the rest, and no
            // operation is using the range.
            unsafe { ring.scratch().add(at).write_volatile(word) };
            at += 1;
        };
        for cap in &self.caps[..self.cap_count] {
            put(cap.handle);
            put(cap.mode);
        }
        self.words[..self.used].iter().for_each(|&word| put(word));
        for index in 0..self.text_words {
            put(word_of(self.text, index * 8));
        }
        at as u32 * 8
    }
}

/// The word of bytes that starts at this position, with zeros behind the last byte.
fn word_of(bytes: &[u8], start: usize) -> u64 {
    let rest = bytes.get(start..).unwrap_or_default();
    let mut word = [0; 8];
    let count = rest.len().min(8);
    word[..count].copy_from_slice(&rest[..count]);
    u64::from_le_bytes(word)
}

/// The result of a call: handles received, and a message of one flat struct.
pub struct Reply {
    /// The first of the words that came, as many as there is room for.
    words: [u64; FIXED_WORDS],
    /// Words that came.
    count: usize,
    caps: usize,
}

impl Reply {
    /// Copies what came out of the scratch range.
    #[inline]
    fn read(ring: &Ring, done: &Completion) -> Self {
        let count = (done.bytes as usize).div_ceil(8).min(SCRATCH_WORDS);
        let mut words = [0; FIXED_WORDS];
        for (index, word) in words.iter_mut().enumerate().take(count) {
            *word = scratch_word(ring, index);
        }
        Self { words, count, caps: done.caps.into() }
    }

    /// A number of the result.
    #[inline]
    pub fn get(&self, field: Scalar) -> u64 {
        let (root, data_words, _) = self.root();
        let mask = u64::MAX >> (64 - 8 * field.bytes);
        let word = field.offset as usize / 8;
        let stored = if word < data_words { self.words.get(root + word).copied().unwrap_or(0) } else { 0 };
        (stored >> (8 * (field.offset % 8)) & mask) ^ field.default
    }

    /// A capability of the result; 0 if it is null.
    #[inline]
    pub fn capability(&self, field: Pointer) -> Handle {
        match self.pointer(field) {
            Some((_, pointer)) if pointer & 0xffff_ffff == 3 && ((pointer >> 32) as usize) < self.caps => {
                self.words.get((pointer >> 32) as usize).copied().unwrap_or(capos_abi::handle::NULL)
            }
            _ => capos_abi::handle::NULL,
        }
    }

    /// Calls `each` for every byte of a Data, or of a Text with its final zero, that still lies in the scratch range.
    fn bytes(&self, ring: &Ring, field: Pointer, mut each: impl FnMut(u8)) {
        let Some((at, pointer)) = self.pointer(field) else { return };
        if pointer & 3 != 1 || pointer >> 32 & 7 != 2 {
            return;
        }
        let start = at + 1 + (pointer as u32 >> 2) as usize;
        for index in 0..(pointer >> 35) as usize {
            match start + index / 8 {
                word if word < self.count => each((scratch_word(ring, word) >> (8 * (index % 8))) as u8),
                _ => return,
            }
        }
    }

    /// Index of the root struct's first word, its data words and pointers.
    #[inline]
    fn root(&self) -> (usize, usize, usize) {
        let at = self.caps;
        let Some(&pointer) = self.words.get(at).filter(|_| at < self.count) else { return (at, 0, 0) };
        let root = (at as i64 + 1 + i64::from((pointer as i32) >> 2)) as usize;
        (root, (pointer >> 32 & 0xffff) as usize, (pointer >> 48) as usize)
    }

    #[inline]
    fn pointer(&self, field: Pointer) -> Option<(usize, u64)> {
        let (root, data_words, pointers) = self.root();
        let at = root.checked_add(data_words)?.checked_add(usize::from(field.index))?;
        if usize::from(field.index) >= pointers {
            return None;
        }
        self.words.get(at).map(|&pointer| (at, pointer))
    }
}

/// A word of the scratch range, modulo its size.
#[inline]
fn scratch_word(ring: &Ring, index: usize) -> u64 {
    // SAFETY: the scratch range has so many words, and no operation is using it.
    unsafe { ring.scratch().add(index % SCRATCH_WORDS).read_volatile() }
}

/// Calls a method and waits for its result, which may carry up to `accept` capabilities.
#[inline]
pub fn call(handle: Handle, interface: u64, method: u16, message: &Message<'_>, accept: u8) -> Result<Reply, Failure> {
    ring::with(|ring| {
        let done = run(ring, handle, interface, method, message, accept)?;
        Ok(Reply::read(ring, &done))
    })
}

/// The same, and calls `each` for every byte of a Data, or of a Text with its final zero, of the result.
pub fn call_for_bytes(
    handle: Handle,
    interface: u64,
    method: u16,
    message: &Message<'_>,
    field: Pointer,
    each: impl FnMut(u8),
) -> Result<Reply, Failure> {
    ring::with(|ring| {
        let done = run(ring, handle, interface, method, message, 0)?;
        let reply = Reply::read(ring, &done);
        reply.bytes(ring, field, each);
        Ok(reply)
    })
}

/// Runs a call to its end; the result lies in the scratch range.
fn run(
    ring: &Ring,
    handle: Handle,
    interface: u64,
    method: u16,
    message: &Message<'_>,
    accept: u8,
) -> Result<Completion, Failure> {
    let done = ring.run(call_entry(ring, handle, interface, method, message, accept));
    Failure::check(&done).map(|_| done)
}

/// Queues a call of a kernel object for the next `cap_enter`; nobody sees its success. No other call may be made before that.
pub fn post(handle: Handle, interface: u64, method: u16, message: &Message<'_>) {
    ring::with(|ring| {
        let entry = call_entry(ring, handle, interface, method, message, 0);
        push_quiet(ring, Submission { flags: flag::QUIET, ..entry });
    });
}

/// A call whose message and result lie in the scratch range.
#[inline]
fn call_entry(
    ring: &Ring,
    handle: Handle,
    interface: u64,
    method: u16,
    message: &Message<'_>,
    accept: u8,
) -> Submission {
    Submission {
        op: op::CALL,
        caps: message.cap_count as u8 | accept << 4,
        method,
        handle,
        interface,
        message_bytes: message.write(ring),
        result_bytes: SCRATCH_BYTES,
        ..Submission::default()
    }
}

/// Waits for any of `bits` of a notification (0: the thread's own) and takes them; `DEADLINE` if none came by then.
pub fn wait(notification: Handle, bits: u64, deadline: u64) -> Result<u64, Failure> {
    let entry = Submission { op: op::WAIT, handle: notification, arg: bits, deadline, ..Submission::default() };
    Failure::check(&ring::with(|ring| ring.run(entry)))
}

/// Sets bits of a notification, or of the own notification of a thread.
#[inline]
pub fn signal(notification: Handle, bits: u64) {
    post_signal(notification, bits);
    ring::with(|ring| ring.enter(0, 0));
}

/// The same, at the next entry.
pub fn post_signal(notification: Handle, bits: u64) {
    let entry =
        Submission { op: op::SIGNAL, flags: flag::QUIET, handle: notification, arg: bits, ..Submission::default() };
    ring::with(|ring| push_quiet(ring, entry));
}

/// Frees a handle, at the next entry.
pub fn release(handle: Handle) {
    let entry = Submission { op: op::RELEASE, flags: flag::QUIET, handle, ..Submission::default() };
    ring::with(|ring| push_quiet(ring, entry));
}

/// Queues an operation that is over as soon as it starts and whose success is silent. Any free tag will do for it.
#[inline(always)]
pub fn push_quiet(ring: &Ring, entry: Submission) {
    let tag = ring.free_tag().expect("asynchronous operations leave tags free");
    ring.push(Submission { tag, ..entry });
}
