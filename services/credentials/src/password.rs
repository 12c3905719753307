//! Password hashes: argon2id with a random salt, compared in constant time.
use argon2::{Algorithm, Argon2, Block, Params, Version};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// Memory of one hash in KiB: OWASP's minimum for argon2id.
pub const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over that memory.
pub const PASSES: u32 = 2;
/// Lanes; one, as there is one thread.
pub const LANES: u32 = 1;
/// Bytes of a salt.
pub const SALT_BYTES: usize = 16;
/// Bytes of a hash.
pub const HASH_BYTES: usize = 32;

/// A salted hash.
#[derive(Clone)]
pub struct Hash {
    salt: [u8; SALT_BYTES],
    hash: [u8; HASH_BYTES],
}

/// There was no memory to hash with, or the password is too long for the algorithm.
#[derive(Debug)]
pub struct CannotHash;

impl Hash {
    /// Hashes a password.
    pub fn new(password: &[u8], salt: [u8; SALT_BYTES]) -> Result<Self, CannotHash> {
        let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(HASH_BYTES)).map_err(|_| CannotHash)?;
        let mut memory = Vec::new();
        memory.try_reserve_exact(params.block_count()).map_err(|_| CannotHash)?;
        memory.resize(params.block_count(), Block::default());
        let mut hash = [0; HASH_BYTES];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(password, &salt, &mut hash, &mut memory)
            .map_err(|_| CannotHash)?;
        Ok(Self { salt, hash })
    }

    /// Whether this is the hash of the password.
    pub fn matches(&self, password: &[u8]) -> Result<bool, CannotHash> {
        Ok(Self::new(password, self.salt)?.hash.ct_eq(&self.hash).into())
    }
}

impl Drop for Hash {
    fn drop(&mut self) {
        self.hash.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_matches_its_password_only() {
        let hash = Hash::new(b"correct horse", [7; SALT_BYTES]).unwrap();
        assert!(hash.matches(b"correct horse").unwrap());
        assert!(!hash.matches(b"correct hors").unwrap());
        let other = Hash::new(b"correct horse", [8; SALT_BYTES]).unwrap();
        assert_ne!(hash.hash, other.hash, "the salt counts");
    }
}
