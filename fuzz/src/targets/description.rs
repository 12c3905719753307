//! The system description, as the manifest compiler reads it: whatever is accepted, init accepts too.

use capnp::Word;
use tools::manifest::{compile_evaluated, encode};

/// Compiles it; every other program file is said to be missing.
pub fn run(bytes: &[u8]) {
    let Ok(json) = str::from_utf8(bytes) else { return };
    match compile_evaluated(json, &|name| name.len() % 2 == 0) {
        Err(refusals) => assert!(!refusals.to_string().is_empty()),
        Ok(system) => {
            let manifest = encode(&system);
            let mut words = Word::allocate_zeroed_vec(manifest.len().div_ceil(size_of::<Word>()));
            Word::words_to_bytes_mut(&mut words)[..manifest.len()].copy_from_slice(&manifest);
            if let Err(refusal) = init::manifest::read(&words) {
                panic!("what the compiler accepts, init refuses: {refusal}");
            }
        }
    }
}
