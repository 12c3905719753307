//! Chores: what is longer than a stay in the kernel goes on in later ones, on whatever processor comes by.
use crate::Kernel;
use crate::authority::session::Session;
use crate::execution::process::Process;
use crate::execution::thread::Thread;
use crate::heap::OutOfHeap;
use crate::ipc::endpoint::Endpoint;
use crate::memory::MemoryObject;
use crate::platform::Platform;
use crate::slab::{Id, Slab};

/// Nanoseconds after which a processor that has something else to do goes on with a chore.
pub const CHORE_INTERVAL_NANOSECONDS: u64 = 50_000;

/// What is to be done, and how far it has come.
pub enum Chore {
    /// A process that ends: its next thread to stop.
    Stop(Id<Process>, usize),
    /// A new thread with a large ring area: its next page to clear.
    Clear(Id<Thread>, u64),
    /// A thread: its next tag to end and page of its ring to free.
    Thread(Id<Thread>, u16, u64),
    /// A process: its next slot to empty.
    Process(Id<Process>, u32),
    /// The console, to show the log.
    Console,
    /// An endpoint that nobody serves any more: its queued calls.
    Endpoint(Id<Endpoint>),
    /// A session that nobody makes last any more.
    Session(Id<Session>),
    /// A memory object that nothing refers to, or that has ended and is held no more.
    Memory(Id<MemoryObject>),
}

impl Chore {
    /// A thread that has just stopped.
    pub fn thread(id: Id<Thread>) -> Self {
        Self::Thread(id, 0, 0)
    }

    /// A process whose threads have all stopped.
    pub fn process(id: Id<Process>) -> Self {
        Self::Process(id, 0)
    }
}

/// Chores in the order in which they are done: a list whose links stand in a slab, so that there is room for many without a long
/// copy.
pub struct Chores {
    waiting: Slab<Waiting>,
    first: Option<Id<Waiting>>,
    last: Option<Id<Waiting>>,
}

/// A chore, and the one behind it.
struct Waiting {
    chore: Chore,
    next: Option<Id<Waiting>>,
}

impl Chores {
    /// No chores.
    pub const fn new() -> Self {
        Self { waiting: Slab::new(), first: None, last: None }
    }

    /// Makes sure that so many can wait.
    pub fn reserve(&mut self, count: usize) -> Result<(), OutOfHeap> {
        self.waiting.reserve(count)
    }

    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Adds one that is done after the others. There is room: it was reserved.
    pub fn push(&mut self, chore: Chore) {
        let Ok(new) = self.waiting.insert(Waiting { chore, next: None }) else { return };
        match self.last.replace(new) {
            Some(last) => self.waiting[last].next = Some(new),
            None => self.first = Some(new),
        }
    }

    /// Takes the one that is next.
    fn pop(&mut self) -> Option<Chore> {
        let first = self.first?;
        let Waiting { chore, next } = self.waiting.remove(first)?;
        self.first = next;
        if next.is_none() {
            self.last = None;
        }
        Some(chore)
    }

    /// Puts the rest of the one back that was taken.
    fn put_back(&mut self, chore: Chore) {
        let Ok(new) = self.waiting.insert(Waiting { chore, next: self.first }) else { return };
        self.first = Some(new);
        self.last = self.last.or(Some(new));
    }
}

impl<P: Platform> Kernel<P> {
    /// Makes sure that there is room for the chores of one more object.
    pub(crate) fn prepare_chore(&mut self) -> Result<(), OutOfHeap> {
        let twice = self.threads.len() + self.processes.len() + self.memory.len();
        let objects = 2 * twice + self.endpoints.len() + self.sessions.count() + 4;
        self.chores.reserve(objects as usize)
    }

    /// Does what is to be done, as far as this stay allows.
    #[cold]
    pub(crate) fn do_chores(&mut self) {
        while !self.stay.is_over()
            && let Some(chore) = self.chores.pop()
        {
            let rest = match chore {
                Chore::Stop(id, thread) => self.stop_threads(id, thread).map(|left| Chore::Stop(id, left)),
                Chore::Thread(id, tag, page) => self.bury_thread(id, tag, page),
                Chore::Clear(id, page) => self.clear_ring(id, page),
                Chore::Process(id, slot) => self.bury_process(id, slot),
                Chore::Console => {
                    self.show_log();
                    None
                }
                Chore::Endpoint(id) => self.bury_calls(id),
                Chore::Session(id) => self.bury_session(id),
                Chore::Memory(id) => self.bury_memory(id),
            };
            if let Some(rest) = rest {
                self.chores.put_back(rest);
            }
        }
    }
}
