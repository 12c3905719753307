//! Queues in shared memory: one side puts entries of fixed size in, the other takes them out.
//!
//! 1. **Roles are types.** [`Producer`] and [`Consumer`] are the only ways to touch the memory, one of each for a queue.
//! 2. **The peer is not trusted.** It can write the whole memory at any time. What it owns is read once, checked against what this
//!    side knows, and then used; an entry is copied before anybody looks at it. A peer that breaks the rules is a [`Misbehaved`],
//!    after which the queue stays closed.
//! 3. **Doorbells only for sleepers.** A side says in the memory that it is about to sleep, and looks once more; the other
//!    side rings ([`Doorbell`]) only if it finds that. How a bell is rung and waited for is not the queue's business.
//!
//! The memory is a slice of atomic words, so everything here is safe code, and the same code runs under loom's model checker.
//!
//! ```
//! # use capos_queue::{Consumer, Producer, words};
//! # use core::sync::atomic::AtomicU64;
//! let memory: Vec<AtomicU64> = (0..words::<2>(8)).map(|_| AtomicU64::new(0)).collect();
//! let (mut producer, mut consumer) = (Producer::<2>::new(&memory, 8)?, Consumer::<2>::new(&memory, 8)?);
//! assert!(producer.push([1, 2]).unwrap());
//! let _nobody_sleeps = producer.publish();
//! assert_eq!(consumer.pop().unwrap(), Some([1, 2]));
//! # Ok::<(), capos_queue::BadMemory>(())
//! ```
#![cfg_attr(not(any(test, loom)), no_std)]

mod consumer;
mod layout;
mod producer;
mod sync;

pub use consumer::Consumer;
pub use layout::{BadMemory, MAX_ENTRIES, words};
pub use producer::Producer;
pub use sync::AtomicU64;

use core::fmt;

/// Whether the peer has to be woken.
#[must_use = "a peer that sleeps stays asleep until its bell is rung"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doorbell {
    /// It sleeps, or is about to: ring.
    Ring,
    /// It is awake.
    Quiet,
}

/// What to do when there was nothing to do.
#[must_use = "only who is told to wait may wait"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sleep {
    /// The peer will ring.
    Wait,
    /// Something has come up meanwhile: go on.
    Go,
}

/// The peer has written an index that no well-behaved peer writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misbehaved {
    /// The index found.
    pub found: u64,
    /// The smallest that would have been right.
    pub least: u64,
    /// The largest that would have been right.
    pub most: u64,
}

impl fmt::Display for Misbehaved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { found, least, most } = self;
        write!(f, "the other side of the queue wrote the index {found}, which should lie in {least} to {most}")
    }
}

impl core::error::Error for Misbehaved {}
