//! Parameters of kernel methods: what is no message, or not what a field wants, is refused.
use crate::ipc::message::Params;
use capos_abi::layout::{Pointer, Scalar};
use capos_abi::status;

/// A struct of one data word and one pointer, which is the root.
const ROOT: u64 = 1 << 32 | 1 << 48;
const FIRST: Pointer = Pointer { index: 0 };
/// A pointer to a list of so many bytes that follows.
const fn bytes(count: u64) -> u64 {
    1 | 2 << 32 | count << 35
}

#[test]
fn the_root_is_a_struct_within_the_message() {
    let number = Scalar { offset: 0, bytes: 8, default: 0 };
    assert_eq!(Params::new(&[ROOT, 7, 0]).map(|params| params.get(number)).ok(), Some(7));
    assert_eq!(Params::new(&[]).map(|params| params.get(number)).ok(), Some(0), "nothing is a struct of defaults");
    // A list, a far pointer, a capability; a struct that ends behind the message, or begins before it.
    let outside = [ROOT | 1 << 2, ROOT | 0xffff_fff8];
    for root in [ROOT | 1, ROOT | 2, ROOT | 3].into_iter().chain(outside) {
        assert_eq!(Params::new(&[root, 7, 0]).err(), Some(status::BAD_MESSAGE.into()), "{root:#x}");
    }
}

#[test]
fn data_is_a_list_of_bytes_and_text_ends_with_zero() {
    let text = |pointer, word: &[u8; 8]| {
        let words = [ROOT, 0, pointer, u64::from_le_bytes(*word)];
        Params::new(&words).and_then(|params| params.text(FIRST, &mut [0; 8]).map(str::to_owned))
    };
    let bad = Err(status::BAD_MESSAGE.into());
    assert_eq!(text(bytes(4), b"one\0\0\0\0\0"), Ok("one".to_owned()));
    assert_eq!(text(0, b"one\0\0\0\0\0"), Ok(String::new()), "null is empty");
    assert_eq!(text(bytes(3), b"one\0\0\0\0\0"), bad, "without its zero");
    assert_eq!(text(bytes(9), b"12345678"), bad, "longer than the message");
    assert_eq!(text(bytes(4), b"\xff\xff\xff\0\0\0\0\0"), bad, "no text");
    for size in [0, 1, 3, 4, 5, 6, 7] {
        assert_eq!(text(bytes(4) & !(7 << 32) | size << 32, b"one\0\0\0\0\0"), bad, "elements of size {size}");
    }
    let words = [ROOT, 0, bytes(8), 0];
    let long = Params::new(&words).and_then(|params| params.data(FIRST, &mut [0; 7]).map(<[u8]>::len));
    assert_eq!(long, Err(status::BAD_ARGUMENT.into()), "more than is taken");
}
