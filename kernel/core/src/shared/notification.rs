//! SIGNAL and WAIT beside other processors.
use super::Visit;
use crate::authority::capability::Object;
use crate::execution::schedule::shared::Destination;
use crate::execution::stay::cost;
use crate::execution::thread::Thread;
use crate::ipc::notification::{Bits, Satisfied};
use crate::ipc::operation::signal::end_wait;
use crate::ipc::operation::wait::take_or_wait;
use crate::ipc::operation::{Done, Step};
use crate::ipc::record::Waiter;
use crate::platform::Platform;
use capos_abi::ring::{Submission, flag};

impl<'a, P: Platform> Visit<'_, 'a, P> {
    /// Sets bits for which at most one waits.
    pub(super) fn signal(&mut self, entry: &Submission) -> Option<Step> {
        if entry.flags & !flag::QUIET != 0 {
            return None;
        }
        match self.object(entry.handle)? {
            Object::Notification(id) => {
                let mut target = self.kernel.notifications.take(id)?;
                match target.bits.satisfied_by(entry.arg) {
                    Satisfied::Nobody => target.bits.set(entry.arg),
                    Satisfied::One(waiter) if target.references > 1 => {
                        let mut thread = self.kernel.threads.take(waiter.thread)?;
                        let destination = self.destination_of(&thread)?;
                        self.wake(&mut thread, waiter, set_and_take(&mut target.bits, entry.arg)?, destination);
                        target.references -= 1;
                    }
                    Satisfied::One(_) | Satisfied::Several => return None,
                }
            }
            Object::Thread(id) => {
                let mut thread = self.kernel.threads.take(id)?;
                match thread.bits.satisfied_by(entry.arg) {
                    Satisfied::Nobody => thread.bits.set(entry.arg),
                    Satisfied::One(waiter) => {
                        let destination = self.destination_of(&thread)?;
                        let taken = set_and_take(&mut thread.bits, entry.arg)?;
                        self.wake(&mut thread, waiter, taken, destination);
                    }
                    Satisfied::Several => return None,
                }
            }
            _ => return None,
        }
        Some(Step::Done(Done::default()))
    }

    /// Takes bits, or waits for them without a deadline.
    pub(super) fn wait(&mut self, entry: &Submission) -> Option<Step> {
        let is_ready = self.thread.ring.is_ready(entry.tag);
        if !is_ready || entry.flags != 0 || entry.deadline != 0 || entry.arg == 0 {
            return None;
        }
        let id = self.caller.thread;
        if entry.handle == 0 {
            let Thread { ring, bits, .. } = &mut *self.thread;
            return if bits.has_room() { take_or_wait(bits, ring, id, entry, None).ok() } else { None };
        }
        let Object::Notification(notification) = self.object(entry.handle)? else { return None };
        let target = self.kernel.notifications.take(notification);
        let mut target = target.filter(|target| target.ledger.is_some() && target.bits.has_room())?;
        let step = take_or_wait(&mut target.bits, &mut self.thread.ring, id, entry, Some(notification)).ok()?;
        target.references += u32::from(matches!(step, Step::Pending));
        Some(step)
    }

    /// Completes a WAIT.
    fn wake(&mut self, thread: &mut Thread, waiter: Waiter, taken: u64, destination: Option<Destination<'_>>) {
        self.stay.spend(cost::ABORT);
        if end_wait(thread, self.kernel.platform, waiter, taken).is_some_and(|ended| ended.wakes)
            && let Some(destination) = destination
        {
            self.kernel.dispatch(self.here, waiter.thread, destination);
        }
    }

    /// Where a waiter goes if it is woken by one completion: outside `None` if it cannot be, inside `None` if it is not.
    fn destination_of(&self, thread: &Thread) -> Option<Option<Destination<'a>>> {
        match thread.wakes_with(1) {
            true => self.kernel.destination(self.number, self.here, thread).map(Some),
            false => Some(None),
        }
    }
}

/// Sets bits, and takes those for the one who waits for them.
fn set_and_take(bits: &mut Bits, set: u64) -> Option<u64> {
    bits.set(set);
    bits.pop_satisfied().map(|(_, taken)| taken)
}
