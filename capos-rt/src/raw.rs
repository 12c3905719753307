//! Blocking operations without heap, for what stands below it: heap growth, futexes, threads, start-up.
//!
//! Messages are built by hand from the layouts in [`capos_abi::interface`]; everybody else uses generated clients.
use crate::ring::{self, Ring, SCRATCH_BYTES};
use capos_abi::handle::Handle;
use capos_abi::layout::{Pointer, Scalar, Shape};
use capos_abi::message::{CapDescriptor, MAX_CAPS};
use capos_abi::ring::{Submission, flag, op};
use capos_abi::status::{self, Status};

/// Words of a message or result at most, capabilities included.
pub const MAX_WORDS: usize = SCRATCH_BYTES as usize / 8;

/// Why an operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// One of [`capos_abi::status`], never `OK`.
    pub status: Status,
    /// The completion's `value`: resource and remainder where the status is `EXHAUSTED`.
    pub value: u64,
}

/// A capnp message of one flat struct with at most one Text or Data, and the capabilities that go with it.
pub struct Message {
    words: [u64; MAX_WORDS],
    used: usize,
    shape: Shape,
    caps: [CapDescriptor; MAX_CAPS],
    cap_count: usize,
}

impl Message {
    /// A message with every field at its default.
    pub fn new(shape: Shape) -> Self {
        let mut words = [0; MAX_WORDS];
        words[0] = u64::from(shape.data_words) << 32 | u64::from(shape.pointers) << 48;
        if shape.data_words == 0 && shape.pointers == 0 {
            words[0] = 0xffff_fffc; // an empty struct points at itself
        }
        let used = 1 + usize::from(shape.data_words) + usize::from(shape.pointers);
        Self { words, used, shape, caps: [CapDescriptor::default(); MAX_CAPS], cap_count: 0 }
    }

    /// Sets a number.
    pub fn set(mut self, field: Scalar, value: u64) -> Self {
        let (word, shift) = (1 + field.offset as usize / 8, (field.offset % 8) * 8);
        let mask = u64::MAX >> (64 - 8 * field.bytes);
        self.words[word] = self.words[word] & !(mask << shift) | ((value ^ field.default) & mask) << shift;
        self
    }

    /// Sets a capability; the receiver gets a copy.
    pub fn set_capability(mut self, field: Pointer, handle: Handle) -> Self {
        let at = self.pointer(field);
        self.words[at] = 3 | (self.cap_count as u64) << 32;
        self.caps[self.cap_count] = CapDescriptor { handle, mode: capos_abi::message::mode::COPY };
        self.cap_count += 1;
        self
    }

    /// Sets a Text (which ends with a zero byte that `text` does not have), cut at what fits. At most one, and last.
    pub fn set_text(self, field: Pointer, text: &str) -> Self {
        let mut end = text.len().min((MAX_WORDS - self.used) * 8 - 1 - self.cap_count * size_of::<CapDescriptor>());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.set_bytes(field, &text.as_bytes()[..end], 1)
    }

    fn set_bytes(mut self, field: Pointer, bytes: &[u8], zeros: usize) -> Self {
        let (at, start) = (self.pointer(field), self.used);
        let count = bytes.len() + zeros;
        self.words[at] = 1 | ((start - at - 1) as u64) << 2 | 2 << 32 | (count as u64) << 35;
        for (index, &byte) in bytes.iter().enumerate() {
            self.words[start + index / 8] |= u64::from(byte) << (8 * (index % 8));
        }
        self.used += count.div_ceil(8);
        self
    }

    fn pointer(&self, field: Pointer) -> usize {
        1 + usize::from(self.shape.data_words) + usize::from(field.index)
    }
}

/// The result of a call: handles received, and a message of one flat struct.
pub struct Reply {
    words: [u64; MAX_WORDS],
    bytes: usize,
    caps: usize,
}

impl Reply {
    /// A number of the result.
    pub fn get(&self, field: Scalar) -> u64 {
        let (root, data_words, _) = self.root();
        let mask = u64::MAX >> (64 - 8 * field.bytes);
        let word = field.offset as usize / 8;
        let stored = if word < data_words { self.words.get(root + word).copied().unwrap_or(0) } else { 0 };
        (stored >> (8 * (field.offset % 8)) & mask) ^ field.default
    }

    /// A capability of the result; 0 if it is null.
    pub fn capability(&self, field: Pointer) -> Handle {
        match self.pointer(field) {
            Some((_, pointer)) if pointer & 0xffff_ffff == 3 && ((pointer >> 32) as usize) < self.caps => {
                self.words[(pointer >> 32) as usize]
            }
            _ => capos_abi::handle::NULL,
        }
    }

    /// A Data, or a Text with its final zero, of the result: calls `each` for every byte.
    pub fn bytes(&self, field: Pointer, mut each: impl FnMut(u8)) {
        let Some((at, pointer)) = self.pointer(field) else { return };
        if pointer & 3 != 1 || pointer >> 32 & 7 != 2 {
            return;
        }
        let start = at + 1 + (pointer as u32 >> 2) as usize;
        for index in 0..(pointer >> 35) as usize {
            match self.words.get(start + index / 8) {
                Some(word) if (start + index / 8) * 8 < self.bytes => each((word >> (8 * (index % 8))) as u8),
                _ => return,
            }
        }
    }

    /// Index of the root struct's first word, its data words and pointers.
    fn root(&self) -> (usize, usize, usize) {
        let at = self.caps;
        if at * 8 >= self.bytes {
            return (at, 0, 0);
        }
        let pointer = self.words[at];
        let root = (at as i64 + 1 + i64::from((pointer as i32) >> 2)) as usize;
        (root, (pointer >> 32 & 0xffff) as usize, (pointer >> 48) as usize)
    }

    fn pointer(&self, field: Pointer) -> Option<(usize, u64)> {
        let (root, data_words, pointers) = self.root();
        let at = root.checked_add(data_words)?.checked_add(usize::from(field.index))?;
        if usize::from(field.index) >= pointers {
            return None;
        }
        self.words.get(at).map(|&pointer| (at, pointer))
    }
}

/// Calls a method and waits for its result, which may carry up to `accept` capabilities.
pub fn call(handle: Handle, interface: u64, method: u16, message: &Message, accept: u8) -> Result<Reply, Failure> {
    ring::with(|ring| {
        let entry = Submission {
            op: op::CALL,
            caps: message.cap_count as u8 | accept << 4,
            method,
            handle,
            interface,
            message_bytes: write(ring, message),
            result_bytes: SCRATCH_BYTES,
            ..Submission::default()
        };
        let done = ring.run(entry);
        if done.status != status::OK {
            return Err(Failure { status: done.status, value: done.value });
        }
        let mut reply = Reply { words: [0; MAX_WORDS], bytes: done.bytes as usize, caps: done.caps.into() };
        for (index, word) in reply.words.iter_mut().enumerate().take(done.bytes.div_ceil(8) as usize) {
            // SAFETY: the scratch range has MAX_WORDS words and no operation is using it any more.
            *word = unsafe { ring.scratch().add(index).read_volatile() };
        }
        Ok(reply)
    })
}

/// Queues a call of a kernel object for the next `cap_enter`; nobody sees its success. No other call may be made before that.
pub fn post(handle: Handle, interface: u64, method: u16, message: &Message) {
    ring::with(|ring| {
        let entry = Submission {
            op: op::CALL,
            caps: message.cap_count as u8,
            flags: flag::QUIET,
            method,
            handle,
            interface,
            message_bytes: write(ring, message),
            result_bytes: SCRATCH_BYTES,
            ..Submission::default()
        };
        push_quiet(ring, entry);
    });
}

/// Writes descriptors and segment into the scratch range; returns their bytes.
fn write(ring: &Ring, message: &Message) -> u32 {
    let descriptors = message.caps[..message.cap_count].iter().flat_map(|cap| [cap.handle, cap.mode]);
    let words = descriptors.chain(message.words[..message.used].iter().copied()).take(MAX_WORDS);
    let mut count = 0;
    for word in words {
        // SAFETY: the scratch range has MAX_WORDS words and no operation is using it.
        unsafe { ring.scratch().add(count).write_volatile(word) };
        count += 1;
    }
    count as u32 * 8
}

/// Waits for any of `bits` of a notification (0: the thread's own) and takes them; `DEADLINE` if none came by then.
pub fn wait(notification: Handle, bits: u64, deadline: u64) -> Result<u64, Failure> {
    let entry = Submission { op: op::WAIT, handle: notification, arg: bits, deadline, ..Submission::default() };
    let done = ring::with(|ring| ring.run(entry));
    match done.status {
        status::OK => Ok(done.value),
        status => Err(Failure { status, value: done.value }),
    }
}

/// Sets bits of a notification, or of the own notification of a thread.
pub fn signal(notification: Handle, bits: u64) {
    ring::with(|ring| {
        let entry =
            Submission { op: op::SIGNAL, flags: flag::QUIET, handle: notification, arg: bits, ..Submission::default() };
        push_quiet(ring, entry);
        ring.enter(0, 0);
    });
}

/// Frees a handle, at the next entry.
pub fn release(handle: Handle) {
    let entry = Submission { op: op::RELEASE, flags: flag::QUIET, handle, ..Submission::default() };
    ring::with(|ring| push_quiet(ring, entry));
}

/// Queues an operation that is over as soon as it starts and whose success is silent. Any free tag will do for it.
pub fn push_quiet(ring: &Ring, entry: Submission) {
    let tag = ring.take_tag().expect("asynchronous operations leave tags free");
    ring.give_tag(tag);
    ring.push(Submission { tag, ..entry });
}
