//! Faults that wait for an answer of their process's handler: lists through the threads that faulted, so that each comes, is told and leaves
//! without a look at the others.
use crate::execution::thread::Thread;
use crate::execution::trap::Fault;
use crate::slab::{Id, Slab};

/// A thread's fault that waits for an answer.
#[derive(Clone, Copy)]
pub struct OpenFault {
    /// What happened.
    pub fault: Fault,
    /// Whether the handler has been told.
    is_told: bool,
    /// The thread before this one in its list.
    before: Option<Id<Thread>>,
    /// The thread behind this one.
    behind: Option<Id<Thread>>,
}

/// The open faults of a process.
#[derive(Default)]
pub struct OpenFaults {
    untold: List,
    told: List,
}

impl OpenFaults {
    /// A thread has faulted.
    pub fn open(&mut self, threads: &mut Slab<Thread>, thread: Id<Thread>, fault: Fault) {
        threads[thread].fault = Some(OpenFault { fault, is_told: false, before: None, behind: None });
        self.untold.push(threads, thread);
    }

    /// The handler is told of the fault that has waited longest for that; `None`: it knows all.
    pub fn tell(&mut self, threads: &mut Slab<Thread>) -> Option<(Id<Thread>, Fault)> {
        let (thread, _) = self.untold.ends?;
        let open = self.untold.remove(threads, thread)?;
        threads[thread].fault = Some(OpenFault { is_told: true, before: None, behind: None, ..open });
        self.told.push(threads, thread);
        Some((thread, open.fault))
    }

    /// The fault of a thread, if it has one, is not open any more.
    pub fn close(&mut self, threads: &mut Slab<Thread>, thread: Id<Thread>) {
        let list = match threads[thread].fault {
            Some(open) if open.is_told => &mut self.told,
            Some(_) => &mut self.untold,
            None => return,
        };
        list.remove(threads, thread);
    }

    /// A thread whose fault is open.
    pub fn any(&self) -> Option<Id<Thread>> {
        self.told.ends.or(self.untold.ends).map(|(first, _)| first)
    }
}

/// Threads, linked through their open faults.
#[derive(Default)]
struct List {
    /// The first and the last one.
    ends: Option<(Id<Thread>, Id<Thread>)>,
}

impl List {
    /// Puts a thread that is in no list behind the others.
    fn push(&mut self, threads: &mut Slab<Thread>, thread: Id<Thread>) {
        let last = self.ends.map(|(_, last)| last);
        self.ends = Some((self.ends.map_or(thread, |(first, _)| first), thread));
        change(threads, Some(thread), |open| open.before = last);
        change(threads, last, |open| open.behind = Some(thread));
    }

    /// Takes a thread out that is in this list.
    fn remove(&mut self, threads: &mut Slab<Thread>, thread: Id<Thread>) -> Option<OpenFault> {
        let open = threads[thread].fault.take()?;
        change(threads, open.before, |before| before.behind = open.behind);
        change(threads, open.behind, |behind| behind.before = open.before);
        self.ends = self.ends.and_then(|(first, last)| {
            let first = if open.before.is_none() { open.behind } else { Some(first) };
            let last = if open.behind.is_none() { open.before } else { Some(last) };
            first.zip(last)
        });
        Some(open)
    }
}

/// Changes the links of a thread, if there is one.
fn change(threads: &mut Slab<Thread>, thread: Option<Id<Thread>>, change: impl FnOnce(&mut OpenFault)) {
    if let Some(open) = thread.and_then(|thread| threads[thread].fault.as_mut()) {
        change(open);
    }
}
