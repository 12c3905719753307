//! Queues between two processes: the memory of `capos-queue` mapped, its bells rung and awaited.
//!
//! One side makes an [`Exchange`], sends its memory and its bell to the other one in an ordinary call, and both open their end.
//! Entries cost no system call; the bell is rung only for a side that sleeps.
use crate::mapping::{Part, map};
use crate::{RingCall, handle, slot, wait};
use capnp::capability::FromClientHook;
use capnp::{Error, Result};
use capos_abi::PAGE_BYTES;
use capos_abi::startup::slot as own;
use capos_queue::{AtomicU64, Consumer, Doorbell, Producer, Sleep, words};
use schema::ledger_capnp::ledger;
use schema::memory_object_capnp::memory_object;
use schema::notification_capnp::notification;
use schema::virtual_memory_capnp::virtual_memory::{self, Access};
use std::slice;

/// Bit of the bell: there are entries.
const ENTRIES: u64 = 1;
/// Bit of the bell: there is room.
const ROOM: u64 = 2;

/// What two processes share that pass entries of `WORDS` words from one to the other.
#[derive(Clone)]
pub struct Exchange<const WORDS: usize> {
    /// The queue.
    pub memory: memory_object::Client,
    /// Wakes either side.
    pub bell: notification::Client,
    /// Places of the queue.
    pub entries: u32,
}

impl<const WORDS: usize> Exchange<WORDS> {
    /// A new one, which the own ledger pays for.
    pub async fn new(entries: u32) -> Result<Self> {
        let ledger: ledger::Client = slot(own::LEDGER)?;
        let mut request = ledger.create_memory_object_request();
        request.get().set_bytes(words::<WORDS>(entries) as u64 * 8);
        let memory = request.send().promise.await?.get()?.get_memory()?;
        let bell = ledger.create_notification_request().send().promise.await?.get()?.get_notification()?;
        Ok(Self { memory, bell, entries })
    }

    /// The end into which entries go. Only one process may open it.
    pub async fn sender(self) -> Result<Sender<WORDS>> {
        let mapped = Mapped::new::<WORDS>(&self.memory, self.entries)?;
        let producer = Producer::new(mapped.words, self.entries).map_err(|bad| Error::failed(bad.to_string()))?;
        Ok(Sender { producer, bell: self.bell, _mapped: mapped })
    }

    /// The end out of which entries come. Only one process may open it.
    pub async fn receiver(self) -> Result<Receiver<WORDS>> {
        let mapped = Mapped::new::<WORDS>(&self.memory, self.entries)?;
        let consumer = Consumer::new(mapped.words, self.entries).map_err(|bad| Error::failed(bad.to_string()))?;
        let batch = u64::from(self.entries / 2).max(1);
        Ok(Receiver { consumer, held: 0, batch, bell: self.bell, _mapped: mapped })
    }
}

/// Puts entries into a queue.
pub struct Sender<const WORDS: usize> {
    producer: Producer<'static, WORDS>,
    bell: notification::Client,
    /// What the producer stands on; dropped after it.
    _mapped: Mapped,
}

impl<const WORDS: usize> Sender<WORDS> {
    /// Puts an entry in, and waits for room if there is none. The other side sees it after [`Sender::flush`].
    pub async fn send(&mut self, entry: [u64; WORDS]) -> Result<()> {
        while !self.put(entry)? {
            self.room().await?;
        }
        Ok(())
    }

    /// The same without waiting; false: there is no room.
    #[inline]
    pub fn put(&mut self, entry: [u64; WORDS]) -> Result<bool> {
        self.producer.push(entry).map_err(misbehaved)
    }

    /// Puts many entries in, and waits for room whenever there is none.
    #[inline]
    pub async fn send_each<I: ExactSizeIterator<Item = [u64; WORDS]>>(&mut self, mut entries: I) -> Result<()> {
        loop {
            self.producer.push_each(&mut entries).map_err(misbehaved)?;
            if entries.len() == 0 {
                return Ok(());
            }
            self.room().await?;
        }
    }

    /// Shows the other side all that was put in, and waits until there may be room.
    pub async fn room(&mut self) -> Result<()> {
        self.flush()?;
        if self.producer.sleep().map_err(misbehaved)? == Sleep::Wait {
            wait(&self.bell, ROOM).await?;
            self.producer.wake();
        }
        Ok(())
    }

    /// Shows the other side all that was put in.
    pub fn flush(&mut self) -> Result<()> {
        ring_if(self.producer.publish(), &self.bell, ENTRIES)
    }
}

/// Takes entries out of a queue.
pub struct Receiver<const WORDS: usize> {
    consumer: Consumer<'static, WORDS>,
    /// Entries taken whose places the sender has not got back.
    held: u64,
    /// Places are given back at once in this number.
    batch: u64,
    bell: notification::Client,
    /// What the consumer stands on; dropped after it.
    _mapped: Mapped,
}

impl<const WORDS: usize> Receiver<WORDS> {
    /// The next entry; waits for it if there is none.
    pub async fn receive(&mut self) -> Result<[u64; WORDS]> {
        loop {
            match self.take()? {
                Some(entry) => return Ok(entry),
                None => self.ready().await?,
            }
        }
    }

    /// The next entry, if it is there.
    #[inline]
    pub fn take(&mut self) -> Result<Option<[u64; WORDS]>> {
        let entry = self.consumer.pop().map_err(misbehaved)?;
        self.held += u64::from(entry.is_some());
        if self.held == self.batch {
            self.give_back()?;
        }
        Ok(entry)
    }

    /// Calls `each` with the next `count` entries; waits for those that are not there.
    #[inline]
    pub async fn receive_each(&mut self, mut count: u64, mut each: impl FnMut([u64; WORDS])) -> Result<()> {
        while count > 0 {
            let taken = self.consumer.pop_each(count.min(self.batch - self.held), &mut each).map_err(misbehaved)?;
            count -= taken;
            self.held += taken;
            if self.held == self.batch {
                self.give_back()?;
            } else if count > 0 {
                self.ready().await?;
            }
        }
        Ok(())
    }

    /// Gives the places of what was taken back, and waits until there may be an entry.
    pub async fn ready(&mut self) -> Result<()> {
        self.give_back()?;
        if self.consumer.sleep().map_err(misbehaved)? == Sleep::Wait {
            wait(&self.bell, ENTRIES).await?;
            self.consumer.wake();
        }
        Ok(())
    }

    fn give_back(&mut self) -> Result<()> {
        self.held = 0;
        ring_if(self.consumer.release(), &self.bell, ROOM)
    }
}

fn ring_if(doorbell: Doorbell, bell: &notification::Client, bit: u64) -> Result<()> {
    if doorbell == Doorbell::Ring {
        capos_rt::raw::signal(handle(bell.as_client_hook())?, bit);
    }
    Ok(())
}

#[cold]
fn misbehaved(misbehaved: capos_queue::Misbehaved) -> Error {
    Error::failed(misbehaved.to_string())
}

/// The words of a queue in the own address space.
struct Mapped {
    memory: virtual_memory::Client,
    address: u64,
    words: &'static [AtomicU64],
}

impl Mapped {
    fn new<const WORDS: usize>(object: &memory_object::Client, entries: u32) -> Result<Self> {
        let count = words::<WORDS>(entries);
        let bytes = (count as u64 * 8).next_multiple_of(PAGE_BYTES);
        let memory: virtual_memory::Client = slot(own::MEMORY)?;
        let part = Part { offset: 0, bytes, address: 0, access: Access::ReadWrite };
        let address = map(&memory, object.clone().cast_to(), part)?;
        let first = std::ptr::with_exposed_provenance(address as usize);
        // SAFETY: so many words were just mapped, readable and writable, and stay so until this is dropped, after the queue's end
        // that uses them. Atomic words may be changed by anybody at any time.
        let words = unsafe { slice::from_raw_parts(first, count) };
        Ok(Self { memory, address, words })
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        let mut request = self.memory.unmap_request();
        request.get().set_address(self.address);
        request.get().set_bytes((self.words.len() as u64 * 8).next_multiple_of(PAGE_BYTES));
        // It is mapped, so that it can be unmapped.
        let _ = request.call();
    }
}
