//! Chores: what is longer than a stay in the kernel goes on in later ones, on whatever processor comes by.
use crate::Kernel;
use crate::authority::revoke::Uses;
use crate::authority::session::Session;
use crate::execution::process::Process;
use crate::execution::stay::cost;
use crate::execution::thread::Thread;
use crate::heap::OutOfHeap;
use crate::ipc::endpoint::Endpoint;
use crate::ipc::notification::Signalled;
use crate::memory::MemoryObject;
use crate::platform::Platform;
use crate::slab::{Id, Slab};

/// Nanoseconds after which a processor that has something else to do goes on with a chore.
pub const CHORE_INTERVAL_NANOSECONDS: u64 = 50_000;

/// Moved capabilities whose senders' operations are still to be ended at most, beside those of the calls under way.
const MAX_MOVED: usize = 256;

/// What is to be done, and how far it has come.
pub enum Chore {
    /// A process that ends: so many of its threads are left to stop.
    Stop(Id<Process>, usize),
    /// A process that starts or goes on: its threads to wake.
    Wake(Id<Process>),
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
    /// What the sender of a capability that has moved was still doing with it.
    Moved(Uses),
    /// Those who wait for bits that are set.
    Answer(Signalled),
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
    /// How many of them follow moved capabilities: there is no object in whose room they wait.
    moved: usize,
}

/// A chore, and the one behind it.
struct Waiting {
    chore: Chore,
    next: Option<Id<Waiting>>,
}

impl Chores {
    /// No chores.
    pub const fn new() -> Self {
        Self { waiting: Slab::new(), first: None, last: None, moved: 0 }
    }

    /// Makes sure that so many can wait beside those that follow moved capabilities.
    pub fn reserve(&mut self, count: usize) -> Result<(), OutOfHeap> {
        self.waiting.reserve(count + self.moved)
    }

    /// Whether so much follows moved capabilities that no more of them may be moved for now.
    pub fn is_behind(&self) -> bool {
        self.moved >= MAX_MOVED
    }

    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Adds one that is done after the others. There is room: it was reserved.
    pub fn push(&mut self, chore: Chore) {
        self.moved += usize::from(matches!(chore, Chore::Moved(_)));
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
        self.moved -= usize::from(matches!(chore, Chore::Moved(_)));
        Some(chore)
    }

    /// Puts the rest of the one back that was taken.
    fn put_back(&mut self, chore: Chore) {
        self.moved += usize::from(matches!(chore, Chore::Moved(_)));
        let Ok(new) = self.waiting.insert(Waiting { chore, next: self.first }) else { return };
        self.first = Some(new);
        self.last = self.last.or(Some(new));
    }
}

impl<P: Platform> Kernel<P> {
    /// Makes sure that there is room for the chores of one more object.
    pub(crate) fn prepare_chore(&mut self) -> Result<(), OutOfHeap> {
        self.prepare_moves(0)
    }

    /// Makes sure that there is room for what follows so many moved capabilities, too.
    pub(crate) fn prepare_moves(&mut self, moved: usize) -> Result<(), OutOfHeap> {
        let thrice = self.threads.len() + self.processes.len();
        let once = self.notifications.len() + self.endpoints.len() + self.sessions.count();
        let objects = 3 * thrice + 2 * self.memory.len() + once + 5;
        self.chores.reserve(objects as usize + moved)
    }

    /// Does what is to be done, as far as this stay allows.
    #[cold]
    pub(crate) fn do_chores(&mut self) {
        while !self.stay.is_over()
            && let Some(chore) = self.chores.pop()
        {
            self.stay.spend(cost::CHORE);
            let rest = match chore {
                Chore::Stop(id, left) => self.stop_threads(id, left).map(|left| Chore::Stop(id, left)),
                Chore::Wake(id) => self.wake_left(id),
                Chore::Thread(id, tag, page) => self.bury_thread(id, tag, page),
                Chore::Process(id, slot) => self.bury_process(id, slot),
                Chore::Console => {
                    self.show_log();
                    None
                }
                Chore::Endpoint(id) => self.bury_calls(id),
                Chore::Session(id) => self.bury_session(id),
                Chore::Memory(id) => self.bury_memory(id),
                Chore::Answer(signalled) => {
                    self.answer_left(signalled);
                    None
                }
                Chore::Moved(mut uses) => (!self.end_operations(&mut uses)).then_some(Chore::Moved(uses)),
            };
            if let Some(rest) = rest {
                self.chores.put_back(rest);
            }
        }
    }
}
