//! Memory that is used beforehand, so that what a program touches later for the first time does not look like a loss.

use std::hint::black_box;

/// Bytes of the heap; less than what it keeps when they are given back.
const HEAP_BYTES: usize = 1 << 20;
/// Bytes of the main thread's stack, which has 256 KiB.
const STACK_BYTES: usize = 128 << 10;

/// Touches as much heap and stack as this program will need.
#[inline(never)]
pub fn make_room() {
    black_box(vec![1u8; HEAP_BYTES]);
    black_box([1u8; STACK_BYTES]);
}
