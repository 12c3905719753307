//! SIGNAL: sets bits of a notification and completes the WAITs that they satisfy.
use super::{Done, Refusal, Step};
use crate::Kernel;
use crate::authority::capability::Object;
use crate::execution::stay::cost;
use crate::execution::thread::Thread;
use crate::ipc::enter::Caller;
use crate::ipc::notification::Notification;
use crate::ipc::record::{Record, Waiter};
use crate::platform::Platform;
use crate::slab::Id;
use capos_abi::ring::{Completion, Submission, flag, kind};
use capos_abi::status;

impl<P: Platform> Kernel<P> {
    #[inline(never)]
    pub(super) fn signal(&mut self, caller: &Caller, entry: &Submission) -> Result<Step, Refusal> {
        Self::check_flags(entry, flag::QUIET)?;
        let handles = &self.processes[caller.process].handles;
        match handles.get(entry.handle).ok_or(status::STALE)?.object {
            Object::Notification(id) => self.notify(id, entry.arg),
            Object::Thread(id) => self.notify_thread(id, entry.arg),
            _ => return Err(status::WRONG_INTERFACE.into()),
        }
        Ok(Step::Done(Done::default()))
    }

    /// Sets bits of a notification object.
    pub(crate) fn notify(&mut self, id: Id<Notification>, bits: u64) {
        self.notifications[id].bits.set(bits);
        while let Some((waiter, taken)) = self.notifications.get_mut(id).and_then(|n| n.bits.pop_satisfied()) {
            self.complete_wait(waiter, taken);
        }
    }

    /// Sets bits of a thread's own notification.
    pub(crate) fn notify_thread(&mut self, id: Id<Thread>, bits: u64) {
        self.threads[id].bits.set(bits);
        while let Some((waiter, taken)) = self.threads.get_mut(id).and_then(|t| t.bits.pop_satisfied()) {
            self.complete_wait(waiter, taken);
        }
    }

    fn complete_wait(&mut self, waiter: Waiter, taken: u64) {
        let thread = &mut self.threads[waiter.thread];
        let Record::Wait(wait) = thread.ring.finish(waiter.tag) else { return };
        self.stay.spend(cost::ABORT);
        let completion = Completion {
            user_data: wait.user_data,
            kind: kind::DONE,
            tag: waiter.tag,
            value: taken,
            ..Completion::default()
        };
        if thread.complete(&mut self.platform, waiter.thread.index(), &completion) {
            self.hand_over(waiter.thread);
        }
        if let Some(id) = wait.notification {
            self.release_notification(id);
        }
    }
}
