//! Reclaiming a ledger: everything that it and the ledgers below it pay for ends.
//!
//! 1. These ledgers are closed first, so that nothing is added behind the back of what follows.
//! 2. Then end the processes, the other objects, and the ledgers below, from the leaves up. Each pass goes over one table in bounded
//!    steps; where it stands is written in the ledger.
//! 3. What capabilities elsewhere still name stays as an empty shell that nobody pays for but the handles that name it. Every use
//!    of a shell is stale.
use crate::Kernel;
use crate::authority::session::Session;
use crate::execution::process::{Outcome, Process};
use crate::execution::stay::cost;
use crate::execution::thread::{State as ThreadState, Thread};
use crate::ipc::endpoint::Endpoint;
use crate::ipc::notification::Notification;
use crate::ledger::{Ledger, Resource};
use crate::memory::{Backing, MemoryObject};
use crate::object::SchedulingContext;
use crate::platform::Platform;
use crate::slab::Id;
use capos_abi::status;

/// Ranges of a map that are looked at in one step.
const RANGES_PER_STEP: usize = 256;

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

    fn reclaim_process(&mut self, top: Id<Ledger>, id: Id<Process>) -> Visit {
        let process = &self.processes[id];
        if !process.charged || !self.is_within(top, process.ledger) {
            return Visit::Done;
        }
        self.end_process(id, Outcome::Killed);
        let Some(process) = self.processes.get_mut(id) else { return Visit::Done };
        if !process.is_put_away() {
            return Visit::Later;
        }
        let ledger = process.ledger;
        process.free_record(&mut self.ledgers[ledger]);
        process.charged = false;
        self.refund_object(ledger);
        Visit::Done
    }

    /// A thread of somebody else's process goes with that process, which cannot go on without it.
    fn reclaim_thread(&mut self, top: Id<Ledger>, id: Id<Thread>) -> Visit {
        let thread = &self.threads[id];
        if !thread.charged || !self.is_within(top, thread.ledger) {
            return Visit::Done;
        }
        if thread.state != ThreadState::Ended {
            let process = thread.process;
            self.end_process(process, Outcome::Killed);
        }
        let Some(thread) = self.threads.get_mut(id) else { return Visit::Done };
        if !thread.is_put_away() {
            return Visit::Later;
        }
        thread.charged = false;
        let ledger = thread.ledger;
        self.ledgers[ledger].refund(Resource::Threads, 1);
        self.release_ledger(ledger);
        Visit::Done
    }

    /// Takes memory that these ledgers pay for out of a process, from this address on.
    fn unmap_reclaimed(&mut self, top: Id<Ledger>, id: Id<Process>, from: &mut u64) -> Visit {
        let is_reclaimed = |object| self.memory[object].ledger.is_some_and(|payer| self.is_within(top, payer));
        let mut looked_at = 0;
        let found = self.processes[id].ranges.iter_from(*from).take(RANGES_PER_STEP).find(|range| {
            looked_at += 1;
            *from = range.end;
            range.kind.piece().is_some_and(|piece| !piece.held && is_reclaimed(piece.object))
        });
        let found = found.copied();
        self.stay.spend(looked_at as u32 * cost::PLACE);
        match found {
            Some(range) if self.unmap_piece(id, &range) => {}
            Some(range) => *from = range.start,
            None if looked_at < RANGES_PER_STEP => return Visit::Done,
            None => {}
        }
        Visit::Again
    }

    fn has_closed_payer(&self, payer: Option<Id<Ledger>>) -> bool {
        payer.and_then(|id| self.ledgers.get(id)).is_some_and(|ledger| ledger.closed)
    }

    /// Whether a memory object has ended, or is about to.
    pub(crate) fn memory_has_ended(&self, id: Id<MemoryObject>) -> bool {
        let object = &self.memory[id];
        match object.backing {
            Backing::Gone => true,
            Backing::Boot(_) => false,
            // Without a payer it is there only for those who hold it.
            Backing::Anonymous(_) => object.ledger.is_none() || self.has_closed_payer(object.ledger),
        }
    }

    fn reclaim_memory(&mut self, top: Id<Ledger>, id: Id<MemoryObject>) -> Visit {
        let object = &mut self.memory[id];
        let Some(ledger) = object.ledger else { return Visit::Done };
        if !self.is_within(top, ledger) {
            return Visit::Done;
        }
        if self.memory[id].holders > 0 {
            self.memory[id].ledger = None;
            self.memory[id].refund_to(&mut self.ledgers[ledger]);
            self.refund_object(ledger);
            return Visit::Done;
        }
        if self.free_memory(id) { Visit::Done } else { Visit::Later }
    }

    /// Ends an endpoint: calls that wait are stale, those delivered have lost their server.
    fn reclaim_endpoint(&mut self, top: Id<Ledger>, id: Id<Endpoint>) -> Visit {
        let Some(ledger) = self.endpoints[id].ledger.filter(|&ledger| self.is_within(top, ledger)) else {
            return Visit::Done;
        };
        if !self.end_queued_calls(id, None) {
            return Visit::Later;
        }
        if let Some(&receiver) = self.endpoints[id].receivers.first() {
            return if self.abort(receiver, status::STALE) { Visit::Again } else { Visit::Later };
        }
        let endpoint = &mut self.endpoints[id];
        endpoint.free(&mut self.ledgers[ledger]);
        endpoint.ledger = None;
        endpoint.owners = 0;
        self.refund_object(ledger);
        Visit::Done
    }

    fn reclaim_notification(&mut self, top: Id<Ledger>, id: Id<Notification>) -> Visit {
        let Some(notification) = self.notifications.get_mut(id) else { return Visit::Done };
        let Some(ledger) = notification.ledger else { return Visit::Done };
        if !self.is_within(top, ledger) {
            return Visit::Done;
        }
        if let Some(waiter) = self.notifications[id].bits.first_waiter() {
            self.abort(waiter, status::STALE);
            return Visit::Again;
        }
        self.notifications[id].bits.free(&mut self.ledgers[ledger]);
        self.notifications[id].ledger = None;
        self.refund_object(ledger);
        self.unbind_notification(id);
        Visit::Done
    }

    fn reclaim_session(&mut self, top: Id<Ledger>, id: Id<Session>) -> Visit {
        let Some(ledger) = self.sessions[id].ledger.filter(|&ledger| self.is_within(top, ledger)) else {
            return Visit::Done;
        };
        if !self.end_session_step(id) {
            return Visit::Later;
        }
        self.sessions[id].ledger = None;
        self.refund_object(ledger);
        Visit::Done
    }

    fn reclaim_context(&mut self, top: Id<Ledger>, id: Id<SchedulingContext>) -> Visit {
        let Some(ledger) = self.contexts[id].ledger.filter(|&ledger| self.is_within(top, ledger)) else {
            return Visit::Done;
        };
        self.unbind_context(id);
        self.contexts[id].ledger = None;
        self.refund_object(ledger);
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
