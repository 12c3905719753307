//! Random bytes: a generator over ChaCha20, seeded by every source that the machine has. Without any it gives nothing.
//!
//! The key of each request is the first output of the one before ("fast key erasure"), so what was given stays secret even from who
//! learns the generator's state later. What a source gives is added to the key and runs through the cipher: a second source, however bad,
//! never makes the result worse than the first alone.

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng, SeedableRng};

/// Bytes of a key. A seed of fewer does not count as a source.
pub const KEY_BYTES: usize = 32;

/// Requests between two looks at the machine's own source.
const REQUESTS: u32 = 256;

/// The generator; by default without a seed.
#[derive(Default)]
pub struct Random {
    key: [u8; KEY_BYTES],
    is_seeded: bool,
    /// Requests until the machine's source is asked again.
    left: u32,
}

impl Random {
    /// Adds what a source has given.
    pub fn add(&mut self, seed: &[u8]) {
        for part in seed.chunks(KEY_BYTES) {
            self.key.iter_mut().zip(part).for_each(|(key, byte)| *key ^= byte);
            self.generate(&mut []);
        }
        self.is_seeded |= seed.len() >= KEY_BYTES;
    }

    /// Fills `bytes`; false: there was never a seed. Now and then `source`, the machine's own, is asked for more.
    #[must_use]
    pub fn fill(&mut self, bytes: &mut [u8], source: impl FnOnce() -> Option<[u8; KEY_BYTES]>) -> bool {
        self.left = self.left.checked_sub(1).unwrap_or_else(|| {
            let fresh = source();
            fresh.iter().for_each(|fresh| self.add(fresh));
            fresh.map_or(0, |_| REQUESTS)
        });
        if self.is_seeded {
            self.generate(bytes);
        }
        self.is_seeded
    }

    /// The next key, then `bytes`.
    fn generate(&mut self, bytes: &mut [u8]) {
        let mut stream = ChaCha20Rng::from_seed(self.key);
        stream.fill_bytes(&mut self.key);
        stream.fill_bytes(bytes);
    }
}

#[cfg(test)]
mod test {
    use super::*;
    use std::collections::HashSet;

    const SEED: [u8; 64] = [7; 64];

    fn seeded(seed: &[u8]) -> Random {
        let mut random = Random::default();
        random.add(seed);
        random
    }

    fn next(random: &mut Random) -> [u8; 40] {
        let mut bytes = [0; 40];
        assert!(random.fill(&mut bytes, || None), "there is a seed");
        bytes
    }

    #[test]
    fn without_a_seed_nothing_is_given() {
        let mut bytes = [1; 8];
        assert!(!Random::default().fill(&mut bytes, || None));
        assert!(!seeded(&SEED[..KEY_BYTES - 1]).fill(&mut bytes, || None), "too short to count");
        assert_eq!(bytes, [1; 8]);
    }

    #[test]
    fn a_seed_alone_or_the_machines_source_alone_suffices() {
        next(&mut seeded(&SEED[..KEY_BYTES]));
        assert!(Random::default().fill(&mut [0; 8], || Some([3; KEY_BYTES])));
    }

    #[test]
    fn the_stream_is_the_ciphers() {
        let mut key = [0; KEY_BYTES];
        let mut bytes = [0; 40];
        ChaCha20Rng::from_seed([7; KEY_BYTES]).fill_bytes(&mut key);
        let mut stream = ChaCha20Rng::from_seed(key);
        stream.fill_bytes(&mut [0; KEY_BYTES]);
        stream.fill_bytes(&mut bytes);
        assert_eq!(next(&mut seeded(&SEED[..KEY_BYTES])), bytes);
    }

    #[test]
    fn every_part_of_every_seed_matters() {
        let mut streams = HashSet::from([next(&mut seeded(&SEED))]);
        for place in 0..SEED.len() {
            let mut other = SEED;
            other[place] ^= 1;
            assert!(streams.insert(next(&mut seeded(&other))), "byte {place} does not matter");
        }
        let mut more = seeded(&SEED);
        more.add(&[0; KEY_BYTES]);
        assert!(streams.insert(next(&mut more)), "a second seed does not matter");
    }

    #[test]
    fn requests_never_repeat_and_keys_are_forgotten() {
        let mut random = seeded(&SEED);
        let (mut streams, mut keys) = (HashSet::new(), HashSet::new());
        for _ in 0..1000 {
            assert!(keys.insert(random.key) && streams.insert(next(&mut random)));
        }
    }

    #[test]
    fn the_machines_source_is_asked_at_first_and_every_so_often() {
        let mut random = seeded(&SEED);
        let mut asked = 0;
        for _ in 0..3 * (REQUESTS + 1) {
            let mut source = || {
                asked += 1;
                Some([0; KEY_BYTES])
            };
            assert!(random.fill(&mut [0; 8], &mut source));
        }
        assert_eq!(asked, 3);
    }
}
