//! Faults that wait for an answer of their process's handler.
use crate::execution::thread::Thread;
use crate::execution::trap::Fault;
use crate::list::{Links, List, Members};
use crate::slab::{Id, Slab};

/// A thread's fault that waits for an answer.
pub struct OpenFault {
    /// What happened.
    pub fault: Fault,
    /// Whether the handler has been told.
    is_told: bool,
    links: Links<Id<Thread>>,
}

/// Threads whose faults are open.
impl Members<Id<Thread>> for Slab<Thread> {
    fn links(&mut self, thread: Id<Thread>) -> Option<&mut Links<Id<Thread>>> {
        self.get_mut(thread)?.fault.as_mut().map(|open| &mut open.links)
    }
}

/// The open faults of a process: the threads that the handler does not know of yet, in the order in which they came, and the others.
pub struct OpenFaults {
    untold: List<Id<Thread>>,
    told: List<Id<Thread>>,
}

impl OpenFaults {
    /// None is open.
    pub const NONE: Self = Self { untold: List::EMPTY, told: List::EMPTY };

    /// A thread has faulted.
    pub fn open(&mut self, threads: &mut Slab<Thread>, thread: Id<Thread>, fault: Fault) {
        threads[thread].fault = Some(OpenFault { fault, is_told: false, links: Links::NONE });
        self.untold.push(threads, thread);
    }

    /// The handler is told of the fault that has waited longest for that; `None`: it knows all.
    pub fn tell(&mut self, threads: &mut Slab<Thread>) -> Option<(Id<Thread>, Fault)> {
        let thread = self.untold.first()?;
        self.untold.remove(threads, thread);
        self.told.push(threads, thread);
        let open = threads.get_mut(thread)?.fault.as_mut()?;
        open.is_told = true;
        Some((thread, open.fault))
    }

    /// The fault of a thread, if it has one, is not open any more.
    pub fn close(&mut self, threads: &mut Slab<Thread>, thread: Id<Thread>) {
        let list = match &threads[thread].fault {
            Some(open) if open.is_told => &mut self.told,
            Some(_) => &mut self.untold,
            None => return,
        };
        list.remove(threads, thread);
        threads[thread].fault = None;
    }

    /// A thread whose fault is open.
    pub fn any(&self) -> Option<Id<Thread>> {
        self.told.first().or(self.untold.first())
    }
}
