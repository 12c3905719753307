//! The side that puts entries in.
use crate::layout::{BadMemory, Parts, read_index, store};
use crate::sync::{AtomicU64, Ordering, fence};
use crate::{Doorbell, Misbehaved, Sleep};

/// Puts entries of `WORDS` words into a queue. Entries become visible together, by [`Producer::publish`].
pub struct Producer<'a, const WORDS: usize> {
    parts: Parts<'a, WORDS>,
    /// Entries written, published or not.
    written: u64,
    published: u64,
    /// Entries that the consumer had taken when this side last looked.
    taken: u64,
    closed: Option<Misbehaved>,
}

impl<'a, const WORDS: usize> Producer<'a, WORDS> {
    /// The producer of the queue in this memory, which was zeroed when both sides got it. There must be no other one.
    pub fn new(memory: &'a [AtomicU64], entries: u32) -> Result<Self, BadMemory> {
        let parts = Parts::new(memory, entries)?;
        Ok(Self { parts, written: 0, published: 0, taken: 0, closed: None })
    }

    /// Writes an entry behind the others; false if the queue is full.
    #[inline]
    pub fn push(&mut self, entry: [u64; WORDS]) -> Result<bool, Misbehaved> {
        if self.written - self.taken == self.parts.entries() && !self.look()? {
            return Ok(false);
        }
        if let Some(place) = self.parts.place(self.written) {
            store(place, entry);
        }
        self.written += 1;
        Ok(true)
    }

    /// Writes entries behind the others until there are no more, or no room; how many.
    #[inline]
    pub fn push_each(&mut self, entries: &mut impl Iterator<Item = [u64; WORDS]>) -> Result<u64, Misbehaved> {
        let before = self.written;
        while self.written - self.taken < self.parts.entries() || self.look()? {
            let room = self.parts.entries() - (self.written - self.taken);
            let places = self.parts.run(self.written, room);
            let mut count = 0;
            for place in places {
                let Some(entry) = entries.next() else { break };
                store(place, entry);
                count += 1;
            }
            self.written += count;
            if count < places.len() as u64 {
                break;
            }
        }
        Ok(self.written - before)
    }

    /// Shows the consumer all that was written.
    #[inline]
    pub fn publish(&mut self) -> Doorbell {
        if self.published == self.written {
            return Doorbell::Quiet;
        }
        self.published = self.written;
        self.parts.tail.store(self.written, Ordering::Release);
        // Either this side sees that the consumer sleeps, or the consumer's last look sees the entries.
        fence(Ordering::SeqCst);
        if self.parts.consumer_sleeps.load(Ordering::Relaxed) == 0 { Doorbell::Quiet } else { Doorbell::Ring }
    }

    /// Says that this side will sleep until there is room. What was written is to be published before.
    pub fn sleep(&mut self) -> Result<Sleep, Misbehaved> {
        self.parts.producer_sleeps.store(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if self.look()? {
            self.wake();
            return Ok(Sleep::Go);
        }
        Ok(Sleep::Wait)
    }

    /// Says that this side is awake, after the bell.
    pub fn wake(&mut self) {
        self.parts.producer_sleeps.store(0, Ordering::Relaxed);
    }

    /// Looks at what the consumer has taken; whether there is room.
    #[cold]
    fn look(&mut self) -> Result<bool, Misbehaved> {
        if let Some(misbehaved) = self.closed {
            return Err(misbehaved);
        }
        let found = read_index(self.parts.head, self.taken, self.published);
        self.taken = found.inspect_err(|misbehaved| self.closed = Some(*misbehaved))?;
        Ok(self.written - self.taken < self.parts.entries())
    }
}
