//! SIGNAL: sets bits of a notification and completes the WAITs that they satisfy.
use super::{Done, Refusal, Step};
use crate::Kernel;
use crate::authority::capability::Object;
use crate::execution::stay::cost;
use crate::execution::thread::Thread;
use crate::ipc::enter::Caller;
use crate::ipc::notification::{Bits, Notification, Signalled};
use crate::ipc::record::{Record, Waiter};
use crate::lifecycle::chore::Chore;
use crate::platform::Platform;
use crate::slab::Id;
use capos_abi::ring::{Completion, Submission, flag, kind};
use capos_abi::status;

impl<P: Platform> Kernel<P> {
    #[inline(never)]
    pub(super) fn signal(&mut self, caller: &Caller, entry: &Submission) -> Result<Step, Refusal> {
        Self::check_flags(entry, flag::QUIET)?;
        let handles = &self.processes[caller.process].handles;
        let signalled = match handles.get(entry.handle).ok_or(status::STALE)?.object {
            Object::Notification(id) => Signalled::Notification(id),
            Object::Thread(id) => Signalled::Thread(id),
            _ => return Err(status::WRONG_INTERFACE.into()),
        };
        self.set_bits(signalled, entry.arg);
        Ok(Step::Done(Done::default()))
    }

    /// Sets bits of a notification object.
    pub(crate) fn notify(&mut self, id: Id<Notification>, bits: u64) {
        self.set_bits(Signalled::Notification(id), bits);
    }

    /// Sets bits, and answers those who wait for bits that are set, as far as the stay allows; a chore answers the others.
    #[inline(always)]
    pub(crate) fn set_bits(&mut self, signalled: Signalled, mut set: u64) {
        while let Some(bits) = self.bits_of(signalled) {
            bits.set(core::mem::take(&mut set));
            let waiters = bits.waiters();
            let Some((waiter, taken)) = bits.pop_satisfied() else { return };
            let is_done = bits.is_clear();
            self.stay.spend(waiters * cost::LISTED);
            self.complete_wait(waiter, taken);
            if is_done {
                return;
            }
            if self.stay.is_over() {
                return self.answer_later(signalled);
            }
        }
    }

    /// Leaves the rest of those who wait to a chore, unless one has been left to do it.
    #[cold]
    fn answer_later(&mut self, signalled: Signalled) {
        let Some(bits) = self.bits_of(signalled) else { return };
        if bits.leave() {
            self.chores.push(Chore::Answer(signalled));
        }
    }

    /// Goes on where [`Self::answer_later`] left off.
    pub(crate) fn answer_left(&mut self, signalled: Signalled) {
        if let Some(bits) = self.bits_of(signalled) {
            bits.resume();
            self.set_bits(signalled, 0);
        }
    }

    #[inline]
    fn bits_of(&mut self, signalled: Signalled) -> Option<&mut Bits> {
        match signalled {
            Signalled::Notification(id) => self.notifications.get_mut(id).map(|notification| &mut notification.bits),
            Signalled::Thread(id) => self.threads.get_mut(id).map(|thread| &mut thread.bits),
        }
    }

    #[inline(always)]
    fn complete_wait(&mut self, waiter: Waiter, taken: u64) {
        let Some(ended) = end_wait(&mut self.threads[waiter.thread], &self.platform, waiter, taken) else { return };
        self.stay.spend(cost::ABORT);
        if ended.wakes {
            self.hand_over(waiter.thread);
        }
        if let Some(id) = ended.notification {
            self.release_notification(id);
        }
    }
}

/// What a WAIT that has ended leaves.
pub struct EndedWait {
    /// The waiter is ready now.
    pub wakes: bool,
    /// What it has waited for; `None`: its own bits.
    notification: Option<Id<Notification>>,
}

/// Ends a WAIT with the bits that it takes. Nothing if there is none.
#[inline(always)]
pub fn end_wait(thread: &mut Thread, platform: &impl Platform, waiter: Waiter, taken: u64) -> Option<EndedWait> {
    let Record::Wait(wait) = thread.ring.finish(waiter.tag) else { return None };
    let completion = Completion {
        user_data: wait.user_data,
        kind: kind::DONE,
        tag: waiter.tag,
        value: taken,
        ..Completion::default()
    };
    let wakes = thread.complete(platform, waiter.thread.index(), &completion);
    Some(EndedWait { wakes, notification: wait.notification })
}
