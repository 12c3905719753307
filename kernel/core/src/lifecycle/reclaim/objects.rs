//! The ends of what reclaimed ledgers pay for, kind by kind.
use super::Visit;
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

impl<P: Platform> Kernel<P> {
    pub(super) fn reclaim_process(&mut self, top: Id<Ledger>, id: Id<Process>) -> Visit {
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
    pub(super) fn reclaim_thread(&mut self, top: Id<Ledger>, id: Id<Thread>) -> Visit {
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
    pub(super) fn unmap_reclaimed(&mut self, top: Id<Ledger>, id: Id<Process>, from: &mut u64) -> Visit {
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

    pub(super) fn reclaim_memory(&mut self, top: Id<Ledger>, id: Id<MemoryObject>) -> Visit {
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
    pub(super) fn reclaim_endpoint(&mut self, top: Id<Ledger>, id: Id<Endpoint>) -> Visit {
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

    pub(super) fn reclaim_notification(&mut self, top: Id<Ledger>, id: Id<Notification>) -> Visit {
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

    pub(super) fn reclaim_session(&mut self, top: Id<Ledger>, id: Id<Session>) -> Visit {
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

    pub(super) fn reclaim_context(&mut self, top: Id<Ledger>, id: Id<SchedulingContext>) -> Visit {
        let Some(ledger) = self.contexts[id].ledger.filter(|&ledger| self.is_within(top, ledger)) else {
            return Visit::Done;
        };
        self.unbind_context(id);
        self.contexts[id].ledger = None;
        self.refund_object(ledger);
        Visit::Done
    }
}
