//! Reclaiming a ledger: everything that it and the ledgers below it pay for ends.
//!
//! 1. These ledgers are closed first, so that nothing is added behind the back of what follows.
//! 2. Then end the processes, the other objects, and the ledgers below, from the leaves up. Each pass goes over one table in bounded
//!    steps; where it stands is written in the ledger.
//! 3. What capabilities elsewhere still name stays as an empty shell that nobody pays for but the handles that name it. Every use
//!    of a shell is stale.
mod objects;

use crate::Kernel;
use crate::execution::stay::cost;
use crate::ledger::Ledger;
use crate::platform::Platform;
use crate::slab::Id;

/// Where the reclaiming of a ledger stands.
#[derive(Clone, Copy, Debug)]
pub struct Reclaim {
    pass: Pass,
    /// Next place of the pass's table.
    place: u32,
    /// Next address in the map of the process in that place.
    address: u64,
}

/// A pass over one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    Close,
    Processes,
    Threads,
    Mappings,
    Memory,
    Endpoints,
    Notifications,
    Contexts,
    Sessions,
    Ledgers,
}

impl Reclaim {
    const START: Self = Self { pass: Pass::Close, place: 0, address: 0 };
}

/// What came of a look at a place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    /// Nothing to be ended is there.
    Done,
    /// There may be more of it.
    Again,
    /// It goes on elsewhere, or in the next stay.
    Later,
}

impl<P: Platform> Kernel<P> {
    /// One step; whether the ledger is empty.
    pub(crate) fn reclaim_step(&mut self, top: Id<Ledger>) -> bool {
        // The caller may live on this ledger and hold the last capability to it.
        self.ledgers[top].references += 1;
        let rest = self.reclaim_places(top, self.ledgers[top].reclaim.unwrap_or(Reclaim::START));
        self.ledgers[top].reclaim = rest;
        if rest.is_none() {
            self.reopen(top);
        }
        self.release_ledger(top);
        rest.is_none()
    }

    /// Goes on from `at` as far as the stay allows; where it stopped, or `None` if everything has ended.
    fn reclaim_places(&mut self, top: Id<Ledger>, mut at: Reclaim) -> Option<Reclaim> {
        while !self.stay.is_over() {
            self.stay.spend(cost::PLACE);
            if at.place >= self.table_places(at.pass) {
                at = Reclaim { pass: self.next_pass(top, at.pass)?, ..Reclaim::START };
                continue;
            }
            match self.visit(top, &mut at) {
                Visit::Done => (at.place, at.address) = (at.place + 1, 0),
                Visit::Again => {}
                Visit::Later => break,
            }
        }
        Some(at)
    }

    fn table_places(&self, pass: Pass) -> u32 {
        match pass {
            Pass::Close | Pass::Ledgers => self.ledgers.slots(),
            Pass::Processes | Pass::Mappings => self.processes.slots(),
            Pass::Threads => self.threads.slots(),
            Pass::Memory => self.memory.slots(),
            Pass::Endpoints => self.endpoints.slots(),
            Pass::Notifications => self.notifications.slots(),
            Pass::Contexts => self.contexts.slots(),
            Pass::Sessions => self.sessions.places(),
        }
    }

    /// What follows a pass; `None` when all is done. Ledgers go as long as there are any: each time the leaves.
    fn next_pass(&self, top: Id<Ledger>, pass: Pass) -> Option<Pass> {
        match pass {
            Pass::Close => Some(Pass::Processes),
            Pass::Processes => Some(Pass::Threads),
            Pass::Threads => Some(Pass::Mappings),
            Pass::Mappings => Some(Pass::Memory),
            Pass::Memory => Some(Pass::Endpoints),
            Pass::Endpoints => Some(Pass::Notifications),
            Pass::Notifications => Some(Pass::Contexts),
            Pass::Contexts => Some(Pass::Sessions),
            Pass::Sessions => Some(Pass::Ledgers),
            Pass::Ledgers => self.ledgers[top].has_children().then_some(Pass::Ledgers),
        }
    }

    /// The ledger can be used again, unless one above it is being reclaimed, too.
    fn reopen(&mut self, top: Id<Ledger>) {
        let parent = self.ledgers[top].parent();
        let closed = parent.is_some_and(|parent| self.ledgers[parent].closed);
        self.ledgers[top].closed = closed;
    }

    fn visit(&mut self, top: Id<Ledger>, at: &mut Reclaim) -> Visit {
        let place = at.place;
        match at.pass {
            Pass::Close => self.ledgers.id_at(place).map_or(Visit::Done, |id| self.close_ledger(top, id)),
            Pass::Processes => self.processes.id_at(place).map_or(Visit::Done, |id| self.reclaim_process(top, id)),
            Pass::Threads => self.threads.id_at(place).map_or(Visit::Done, |id| self.reclaim_thread(top, id)),
            Pass::Mappings => {
                self.processes.id_at(place).map_or(Visit::Done, |id| self.unmap_reclaimed(top, id, &mut at.address))
            }
            Pass::Memory => self.memory.id_at(place).map_or(Visit::Done, |id| self.reclaim_memory(top, id)),
            Pass::Endpoints => self.endpoints.id_at(place).map_or(Visit::Done, |id| self.reclaim_endpoint(top, id)),
            Pass::Contexts => self.contexts.id_at(place).map_or(Visit::Done, |id| self.reclaim_context(top, id)),
            Pass::Notifications => {
                self.notifications.id_at(place).map_or(Visit::Done, |id| self.reclaim_notification(top, id))
            }
            Pass::Sessions => self.sessions.id_at(place).map_or(Visit::Done, |id| self.reclaim_session(top, id)),
            Pass::Ledgers => self.ledgers.id_at(place).map_or(Visit::Done, |id| self.reclaim_ledger(top, id)),
        }
    }

    /// Whether `ledger` is `top` or below it. Ledgers are at most [`crate::ledger::MAX_DEPTH`] deep.
    fn is_within(&self, top: Id<Ledger>, ledger: Id<Ledger>) -> bool {
        let mut at = Some(ledger);
        while let Some(ledger) = at {
            if ledger == top {
                return true;
            }
            at = self.ledgers.get(ledger).and_then(Ledger::parent);
        }
        false
    }

    fn close_ledger(&mut self, top: Id<Ledger>, id: Id<Ledger>) -> Visit {
        if self.is_within(top, id) {
            self.ledgers[id].closed = true;
        }
        Visit::Done
    }

    /// Detaches a ledger below `top` that has none below itself.
    fn reclaim_ledger(&mut self, top: Id<Ledger>, id: Id<Ledger>) -> Visit {
        if id != top && self.is_within(top, id) && !self.ledgers[id].has_children() {
            self.detach_ledger(id);
        }
        Visit::Done
    }
}
