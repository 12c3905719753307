//! The side that takes entries out.
use crate::layout::{BadMemory, Parts, load, read_index};
use crate::sync::{AtomicU64, Ordering, fence};
use crate::{Doorbell, Misbehaved, Sleep};

/// Takes entries of `WORDS` words out of a queue. Their places are given back together, by [`Consumer::release`].
pub struct Consumer<'a, const WORDS: usize> {
    parts: Parts<'a, WORDS>,
    /// Entries taken, their places given back or not.
    taken: u64,
    released: u64,
    /// Entries that the producer had published when this side last looked.
    published: u64,
    closed: Option<Misbehaved>,
}

impl<'a, const WORDS: usize> Consumer<'a, WORDS> {
    /// The consumer of the queue in this memory, which was zeroed when both sides got it. There must be no other one.
    pub fn new(memory: &'a [AtomicU64], entries: u32) -> Result<Self, BadMemory> {
        let parts = Parts::new(memory, entries)?;
        Ok(Self { parts, taken: 0, released: 0, published: 0, closed: None })
    }

    /// A copy of the next entry, if there is one. The producer cannot change it any more.
    #[inline]
    pub fn pop(&mut self) -> Result<Option<[u64; WORDS]>, Misbehaved> {
        if self.taken == self.published && !self.look()? {
            return Ok(None);
        }
        let entry = self.parts.place(self.taken).map_or([0; WORDS], load);
        self.taken += 1;
        Ok(Some(entry))
    }

    /// Calls `each` with a copy of the next entries, `most` at most, as far as they are there; how many.
    #[inline]
    pub fn pop_each(&mut self, most: u64, each: &mut impl FnMut([u64; WORDS])) -> Result<u64, Misbehaved> {
        let mut popped = 0;
        while popped < most && (self.taken < self.published || self.look()?) {
            let places = self.parts.run(self.taken, (self.published - self.taken).min(most - popped));
            for place in places {
                each(load(place));
            }
            self.taken += places.len() as u64;
            popped += places.len() as u64;
        }
        Ok(popped)
    }

    /// Gives the places of the entries taken back to the producer.
    #[inline]
    pub fn release(&mut self) -> Doorbell {
        if self.released == self.taken {
            return Doorbell::Quiet;
        }
        self.released = self.taken;
        self.parts.head.store(self.taken, Ordering::Release);
        // Either this side sees that the producer sleeps, or the producer's last look sees the room.
        fence(Ordering::SeqCst);
        if self.parts.producer_sleeps.load(Ordering::Relaxed) == 0 { Doorbell::Quiet } else { Doorbell::Ring }
    }

    /// Says that this side will sleep until there are entries. The places of those taken are to be released before.
    pub fn sleep(&mut self) -> Result<Sleep, Misbehaved> {
        self.parts.consumer_sleeps.store(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if self.taken < self.published || self.look()? {
            self.wake();
            return Ok(Sleep::Go);
        }
        Ok(Sleep::Wait)
    }

    /// Says that this side is awake, after the bell.
    pub fn wake(&mut self) {
        self.parts.consumer_sleeps.store(0, Ordering::Relaxed);
    }

    /// Looks at what the producer has published; whether there is something new.
    #[cold]
    fn look(&mut self) -> Result<bool, Misbehaved> {
        if let Some(misbehaved) = self.closed {
            return Err(misbehaved);
        }
        let most = self.released + self.parts.entries();
        let found = read_index(self.parts.tail, self.published, most);
        self.published = found.inspect_err(|misbehaved| self.closed = Some(*misbehaved))?;
        Ok(self.taken < self.published)
    }
}
