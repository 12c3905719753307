//! Messages to and from kernel objects: capnp segments read and written by the offsets that the schema gives.
//!
//! Parameters are copied before they are read. Missing data reads as its default, extra data is ignored; a pointer is null, a
//! capability, Data, Text or a list, and everything lies within the segment.
use crate::ipc::operation::Refusal;
use capos_abi::layout::{Pointer, Scalar, Shape};
use capos_abi::status;

/// Words of the parameters of a kernel method at most (512 bytes).
pub const MAX_PARAM_WORDS: usize = 64;

/// Parameters of a call to a kernel object.
#[derive(Clone, Copy)]
pub struct Params<'a> {
    words: &'a [u64],
    data: &'a [u64],
    pointers: &'a [u64],
    first_pointer: usize,
}

impl<'a> Params<'a> {
    /// Reads the root pointer of a segment.
    pub fn new(words: &'a [u64]) -> Result<Self, Refusal> {
        let nothing = Self { words, data: &[], pointers: &[], first_pointer: 0 };
        let root = words.first().copied().unwrap_or(0);
        if root == 0 {
            return Ok(nothing);
        }
        let bad = Refusal::from(status::BAD_MESSAGE);
        if root & 3 != 0 {
            return Err(bad);
        }
        let start = usize::try_from(1 + i64::from(root as i32 >> 2)).map_err(|_| bad)?;
        let (data_words, pointers) = (root >> 32 & 0xffff, root >> 48);
        let first_pointer = start + data_words as usize;
        Ok(Self {
            words,
            data: words.get(start..first_pointer).ok_or(bad)?,
            pointers: words.get(first_pointer..first_pointer + pointers as usize).ok_or(bad)?,
            first_pointer,
        })
    }

    /// A number.
    pub fn get(&self, field: Scalar) -> u64 {
        let word = self.data.get(field.offset as usize / 8).copied().unwrap_or(0);
        let shifted = word >> (field.offset % 8 * 8);
        let mask = u64::MAX >> (64 - field.bytes * 8);
        (shifted & mask) ^ field.default
    }

    /// Index of a capability in the message's list; `None` for null.
    pub fn capability(&self, field: Pointer) -> Result<Option<usize>, Refusal> {
        match self.pointer(field) {
            0 => Ok(None),
            pointer if pointer & 0xffff_ffff == 3 => Ok(Some((pointer >> 32) as usize)),
            _ => Err(status::BAD_MESSAGE.into()),
        }
    }

    /// Bytes of a Data field, copied into `buffer`; more than fit are an error.
    pub fn data<'b>(&self, field: Pointer, buffer: &'b mut [u8]) -> Result<&'b [u8], Refusal> {
        let (start, count) = self.list(field, element::BYTE)?;
        let source = self.words.get(start..start + count.div_ceil(8)).ok_or(Refusal::from(status::BAD_MESSAGE))?;
        let target = buffer.get_mut(..count).ok_or(Refusal::from(status::BAD_ARGUMENT))?;
        for (i, byte) in target.iter_mut().enumerate() {
            *byte = source.get(i / 8).map_or(0, |w| (w >> (i % 8 * 8)) as u8);
        }
        Ok(target)
    }

    /// Where in the segment the words of a list stand, which may be longer than what was copied of it; and how many there are.
    pub fn place_of_words(&self, field: Pointer) -> Result<(usize, usize), Refusal> {
        self.list(field, element::WORD)
    }

    /// The structs of a list.
    pub fn structs(&self, field: Pointer) -> Result<Structs<'a>, Refusal> {
        let bad = Refusal::from(status::BAD_MESSAGE);
        let (at, words) = self.list(field, element::STRUCT)?;
        let (shape, count) = match words {
            0 => (0, 0),
            _ => self.words.get(at).map(|tag| (tag >> 32, (*tag as u32 >> 2) as usize)).ok_or(bad)?,
        };
        let (data_words, pointers) = ((shape & 0xffff) as usize, (shape >> 16) as usize);
        let fits = count <= words && count * (data_words + pointers) <= words && at + words < self.words.len();
        if words == 0 || fits {
            Ok(Structs { words: self.words, start: at + 1, count, data_words, pointers })
        } else {
            Err(bad)
        }
    }

    /// A list of elements of this size: where in the segment it starts, and its elements or, of a list of structs, its words
    /// behind the first one.
    fn list(&self, field: Pointer, size: u64) -> Result<(usize, usize), Refusal> {
        let pointer = self.pointer(field);
        if pointer == 0 {
            return Ok((0, 0));
        }
        if pointer & 3 != 1 || pointer >> 32 & 7 != size {
            return Err(status::BAD_MESSAGE.into());
        }
        let at = self.first_pointer as i64 + i64::from(field.index) + 1 + i64::from(pointer as i32 >> 2);
        Ok((usize::try_from(at).map_err(|_| status::BAD_MESSAGE)?, (pointer >> 35) as usize))
    }

    fn pointer(&self, field: Pointer) -> u64 {
        self.pointers.get(usize::from(field.index)).copied().unwrap_or(0)
    }

    /// A Text field, copied into `buffer` with its final zero byte.
    pub fn text<'b>(&self, field: Pointer, buffer: &'b mut [u8]) -> Result<&'b str, Refusal> {
        match self.data(field, buffer)? {
            [] => Ok(""),
            [text @ .., 0] => core::str::from_utf8(text).map_err(|_| status::BAD_MESSAGE.into()),
            _ => Err(status::BAD_MESSAGE.into()),
        }
    }
}

/// Sizes of a list's elements, as its pointer says them.
mod element {
    pub const BYTE: u64 = 2;
    pub const WORD: u64 = 5;
    pub const STRUCT: u64 = 7;
}

/// A list of structs, all of which lie within the segment.
pub struct Structs<'a> {
    words: &'a [u64],
    start: usize,
    count: usize,
    data_words: usize,
    pointers: usize,
}

impl<'a> Structs<'a> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Params<'a>> {
        (0..self.count).map(|index| {
            let start = self.start + index * (self.data_words + self.pointers);
            let first_pointer = start + self.data_words;
            Params {
                words: self.words,
                data: self.words.get(start..first_pointer).unwrap_or_default(),
                pointers: self.words.get(first_pointer..first_pointer + self.pointers).unwrap_or_default(),
                first_pointer,
            }
        })
    }
}

/// Words of the fixed part of a result at most.
const MAX_FIXED_WORDS: usize = 16;

/// Result of a kernel object's method: the root struct; one Data, Text or list of words may follow.
pub struct Reply {
    words: [u64; MAX_FIXED_WORDS],
    shape: Shape,
}

impl Reply {
    /// A result with every field at zero.
    pub fn new(shape: Shape) -> Self {
        let mut words = [0; MAX_FIXED_WORDS];
        words[0] = u64::from(shape.data_words) << 32 | u64::from(shape.pointers) << 48;
        Self { words, shape }
    }

    /// Sets a number.
    pub fn set(&mut self, field: Scalar, value: u64) {
        let shift = field.offset % 8 * 8;
        let mask = u64::MAX >> (64 - field.bytes * 8);
        if let Some(word) = self.words.get_mut(1 + field.offset as usize / 8) {
            *word = *word & !(mask << shift) | ((value ^ field.default) & mask) << shift;
        }
    }

    /// Points a field to the capability with this index in the result's list.
    pub fn set_capability(&mut self, field: Pointer, index: u64) {
        self.set_pointer(field, 3 | index << 32);
    }

    /// Points a field to `bytes` bytes that follow the fixed part.
    pub fn set_blob(&mut self, field: Pointer, bytes: usize) {
        self.set_list(field, element::BYTE, bytes);
    }

    /// Points a field to so many words that follow the fixed part.
    pub fn set_words(&mut self, field: Pointer, words: usize) {
        self.set_list(field, element::WORD, words);
    }

    fn set_list(&mut self, field: Pointer, size: u64, count: usize) {
        let behind = u64::from(self.shape.pointers - field.index - 1);
        self.set_pointer(field, 1 | behind << 2 | size << 32 | (count as u64) << 35);
    }

    /// The fixed part.
    pub fn words(&self) -> &[u64] {
        self.words.get(..fixed_words(self.shape)).unwrap_or_default()
    }

    fn set_pointer(&mut self, field: Pointer, pointer: u64) {
        if let Some(word) = self.words.get_mut(1 + usize::from(self.shape.data_words) + usize::from(field.index)) {
            *word = pointer;
        }
    }
}

/// Words of a result's fixed part: root pointer, data, pointers.
pub fn fixed_words(shape: Shape) -> usize {
    1 + usize::from(shape.data_words) + usize::from(shape.pointers)
}
