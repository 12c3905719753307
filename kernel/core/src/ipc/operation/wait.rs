//! WAIT: takes bits of a notification, now or when they are set. For no bits, until a time that has passed: lets others run.
use super::{Done, Refusal, Step};
use crate::Kernel;
use crate::authority::capability::Object;
use crate::execution::process::Process;
use crate::execution::thread::Thread;
use crate::heap::Payer;
use crate::ipc::enter::Caller;
use crate::ipc::notification::{Bits, Notification};
use crate::ipc::record::{Record, WaitRecord, Waiter};
use crate::ipc::ring::Ring;
use crate::platform::Platform;
use crate::slab::Id;
use capos_abi::ring::Submission;
use capos_abi::status;

impl<P: Platform> Kernel<P> {
    #[inline(never)]
    pub(super) fn wait(&mut self, caller: &Caller, entry: &Submission) -> Result<Step, Refusal> {
        Self::check_flags(entry, 0)?;
        let thread = caller.thread;
        let notification = self.wait_target(caller.process, entry.handle)?;
        if entry.arg == 0 && entry.deadline == 0 {
            return Err(status::BAD_ARGUMENT.into());
        }
        let waiter = &mut self.threads[thread];
        let payer = Payer { ledgers: &mut self.ledgers, ledger: waiter.ledger, stay: &mut self.stay };
        waiter.ring.check_tag(entry.tag, payer)?;
        if entry.arg == 0 && entry.deadline <= self.platform.now() {
            self.give_way(thread);
            return Err(status::DEADLINE.into());
        }
        let Some(id) = notification else {
            let payer = Payer { ledgers: &mut self.ledgers, ledger: waiter.ledger, stay: &mut self.stay };
            waiter.bits.make_room(payer)?;
            return take_or_wait(&mut waiter.bits, &mut waiter.ring, thread, entry, None);
        };
        let target = &mut self.notifications[id];
        let ledger = target.ledger.ok_or(status::STALE)?;
        target.bits.make_room(Payer { ledgers: &mut self.ledgers, ledger, stay: &mut self.stay })?;
        let step = take_or_wait(&mut target.bits, &mut waiter.ring, thread, entry, notification)?;
        target.references += u32::from(matches!(step, Step::Pending));
        Ok(step)
    }

    #[inline]
    fn wait_target(&self, process: Id<Process>, handle: u64) -> Result<Option<Id<Notification>>, Refusal> {
        if handle == 0 {
            return Ok(None);
        }
        match self.processes[process].handles.get(handle).ok_or(status::STALE)?.object {
            Object::Notification(id) if self.notifications[id].ledger.is_none() => Err(status::STALE.into()),
            Object::Notification(id) => Ok(Some(id)),
            _ => Err(status::WRONG_INTERFACE.into()),
        }
    }
}

/// Takes those of the wanted bits that are set, or waits for them under a tag that was checked; there is room.
#[inline(always)]
pub fn take_or_wait(
    bits: &mut Bits,
    ring: &mut Ring,
    thread: Id<Thread>,
    entry: &Submission,
    notification: Option<Id<Notification>>,
) -> Result<Step, Refusal> {
    let taken = bits.take(entry.arg);
    if taken != 0 {
        return Ok(Step::Done(Done { value: taken, ..Done::default() }));
    }
    if bits.is_full() {
        return Err(status::BAD_STATE.into());
    }
    bits.wait(Waiter { thread, tag: entry.tag }, entry.arg);
    let record =
        WaitRecord { handle: entry.handle, user_data: entry.user_data, notification, deadline: entry.deadline };
    ring.start(entry.tag, Record::Wait(record));
    Ok(Step::Pending)
}
