//! Messages that are nearly right, and messages that are not at all.

use capos_abi::PAGE_BYTES;
use fastrand::Rng;

/// Words of a sealed page.
pub const PAGE_WORDS: usize = PAGE_BYTES as usize / 8;
/// Bits of a word where a pointer says how far away its target lies, in words.
const OFFSET_SHIFT: u32 = 2;
/// Changes to a message at most.
const MOST_CHANGES: usize = 4;

/// A message of up to `longest` words: a struct of numbers, texts, lists and capabilities, of which something was changed.
pub fn message(random: &mut Rng, longest: usize) -> Vec<u64> {
    let (data, pointers) = (random.u64(0..4), random.u64(0..5));
    let mut words = vec![data << 32 | pointers << 48];
    words.extend((0..data).map(|_| random.u64(..) >> random.u32(0..64)));
    let first = words.len();
    words.extend((0..pointers).map(|_| 0));
    for at in first..first + pointers as usize {
        let behind = words.len();
        let bytes = random.usize(0..40);
        if behind + bytes.div_ceil(8) > longest {
            break;
        }
        words[at] = pointer(random, (behind - at - 1) as u64, bytes as u64);
        let text = random.u64(..) & 0x7f7f_7f7f_7f7f_7f7f;
        words.extend((0..bytes.div_ceil(8)).map(|at| if at * 8 + 8 >= bytes { text & 0xff } else { text }));
    }
    for _ in 0..random.usize(0..=MOST_CHANGES) {
        change(random, &mut words, longest);
    }
    words.truncate(longest);
    words
}

/// A pointer to what lies so many words behind it: a list of bytes, of words, of structs, a struct, or a capability.
fn pointer(random: &mut Rng, offset: u64, bytes: u64) -> u64 {
    let list = |size: u64, count: u64| 1 | offset << OFFSET_SHIFT | size << 32 | count << 35;
    match random.u8(0..8) {
        0 => list(5, bytes / 8),
        1 => list(7, bytes / 8),
        2 => offset << OFFSET_SHIFT | (bytes / 8) << 32,
        3 => 3 | random.u64(0..4) << 32,
        _ => list(2, bytes),
    }
}

/// Something that a builder would not write.
fn change(random: &mut Rng, words: &mut Vec<u64>, longest: usize) {
    let at = random.usize(0..words.len());
    match random.u8(0..8) {
        0 => words[at] ^= 1 << random.u32(0..64),
        1 => words[at] = random.u64(..),
        // A far pointer, perhaps to another one, perhaps to another segment.
        2 => words[at] = 2 | random.u64(0..2) << 2 | random.u64(0..64) << 3 | random.u64(0..2) << 32,
        // A huge list of nothing, of bits or of structs, and one of structs within structs.
        3 => words[at] = 1 | random.u64(0..64) << OFFSET_SHIFT | random.u64(0..8) << 32 | 0x1fff_ffff << 35,
        // A struct that holds itself.
        4 => words[at] = (0u64.wrapping_sub(1) & 0x3fff_ffff) << OFFSET_SHIFT | random.u64(0..4) << 32 | 1 << 48,
        5 => words[at] = 3 | random.u64(0..1 << 30) << 2 | random.u64(0..64) << 32,
        6 => words.truncate(at),
        _ => nest(random, words, longest),
    }
    if words.is_empty() {
        words.push(0);
    }
}

/// Structs within structs, as deep as there is room.
fn nest(random: &mut Rng, words: &mut Vec<u64>, longest: usize) {
    let depth = random.usize(0..longest);
    *words = vec![1 << 48; depth.max(1)];
}
