//! The compiled manifest, as init reads it.

use capnp::Word;

/// Reads it and checks it.
pub fn run(bytes: &[u8]) {
    let mut words = Word::allocate_zeroed_vec(bytes.len().div_ceil(size_of::<Word>()));
    Word::words_to_bytes_mut(&mut words)[..bytes.len()].copy_from_slice(bytes);
    if let Err(refusal) = init::manifest::read(&words) {
        assert!(!refusal.to_string().is_empty());
    }
}
