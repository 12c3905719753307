//! What the two programs of the queue's row share.

/// Words of an entry: 32 bytes.
pub const WORDS: usize = 4;
/// Places of a queue.
pub const PLACES: u32 = 512;
/// Messages after which the taker answers with the sum of all their words.
pub const BATCH: u64 = 512;
