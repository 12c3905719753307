//! The kernel beside other processors: what most calls need is done by several processors at once.
//!
//! 1. A processor that is not alone in the kernel uses each object by taking it ([`kernel_lend`]), and changes nothing but threads
//!    and their rings, endpoints, notifications, what is reserved in accounts and handle tables, and its own part of the scheduler.
//! 2. Before an entry changes anything, everything that it needs is taken and checked. If something is in use, or not as in most
//!    calls, the entry is left as it was, and the processor comes again when it is alone: then [`Kernel`] decides.
//! 3. So nobody waits for an object, nothing here is refused, and what the steps do stands in one place, which both use.
mod call;
mod notification;
mod reply;

use crate::authority::capability::Object;
use crate::execution::process::Process;
use crate::execution::schedule::Processor;
use crate::execution::schedule::shared::LentScheduler;
use crate::execution::stay::{Stay, cost};
use crate::execution::thread::{State, Thread};
use crate::ipc::endpoint::Endpoint;
use crate::ipc::enter::{Caller, conclude};
use crate::ipc::notification::Notification;
use crate::ipc::operation::Step;
use crate::ledger::Ledger;
use crate::platform::Platform;
use crate::slab::LentSlab;
use crate::{Kernel, Next};
use capos_abi::ring::{COMPLETION_ENTRIES, Submission, op};

/// The kernel, lent to several processors.
pub struct SharedKernel<'a, P> {
    /// The machine.
    pub platform: &'a P,
    pub(crate) processes: LentSlab<'a, Process>,
    pub(crate) threads: LentSlab<'a, Thread>,
    pub(crate) endpoints: LentSlab<'a, Endpoint>,
    pub(crate) notifications: LentSlab<'a, Notification>,
    pub(crate) ledgers: LentSlab<'a, Ledger>,
    pub(crate) scheduler: LentScheduler<'a>,
    /// Nothing ends, is suspended or is to be put away.
    is_quiet: bool,
    /// There are enough zeroed frames at hand.
    pub has_zeroed: bool,
}

impl<P: Platform> Kernel<P> {
    /// Lends the kernel to several processors for as long as it is borrowed.
    pub fn lend(&mut self) -> SharedKernel<'_, P> {
        let processors = self.platform.processors();
        SharedKernel {
            is_quiet: self.ending == 0 && self.chores.is_empty(),
            has_zeroed: self.frames.has_zeroed(),
            scheduler: self.scheduler.lend(processors, self.timers.earliest()),
            platform: &self.platform,
            processes: self.processes.lend(),
            threads: self.threads.lend(),
            endpoints: self.endpoints.lend(),
            notifications: self.notifications.lend(),
            ledgers: self.ledgers.lend(),
        }
    }
}

/// What a processor has to do once it is alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alone {
    /// The same as it was to do beside others: its current thread is where it was.
    Again,
    /// To decide what runs next. Its current thread has blocked and belongs to nobody: the processor puts the thread's registers
    /// away before it lets others in.
    Decide,
}

impl<P: Platform> SharedKernel<'_, P> {
    /// System call `cap_enter` of the current thread.
    pub fn enter(&self, processor: usize, min_complete: u32, deadline: u64) -> Result<Next, Alone> {
        let Some(mut here) = self.own(processor).filter(|_| self.is_quiet && deadline == 0) else {
            return Err(Alone::Again);
        };
        let ran = self.run(processor, &mut here, min_complete.min(COMPLETION_ENTRIES));
        let next = match ran {
            Some(()) => self.settle(processor, &mut here).ok_or(Alone::Decide),
            None => Err(Alone::Again),
        };
        next.inspect_err(|_| self.leave_to_one(&here))
    }

    /// Another processor asked this one to look again at what it runs; `None`: it has to be alone for that.
    pub fn reschedule(&self, processor: usize) -> Option<Next> {
        let mut here = self.own(processor).filter(|here| self.is_quiet && here.current().is_none())?;
        self.settle(processor, &mut here)
    }

    /// Runs the submissions of the current thread, and lets it go on or blocks it; `None`: it is where it was.
    fn run(&self, number: usize, here: &mut Processor, wanted: u32) -> Option<()> {
        let id = here.current().filter(|_| !here.must_yield())?;
        let mut thread = self.threads.take(id)?;
        if thread.has_work || thread.timer_set || thread.ring.has_deadlines() {
            return None;
        }
        let caller = Caller { thread: id, process: thread.process, area: thread.ring.area };
        let stay = Stay::beside_others();
        let mut visit = Visit { kernel: self, number, here, caller, thread: &mut thread, stay };
        match visit.drain() {
            Drained::All => visit.finish(wanted),
            Drained::Over if !visit.here.has_woken() => {
                self.platform.enter_again(id.index());
                Some(())
            }
            Drained::Over | Drained::Unusual => None,
        }
    }
}

/// How far the submissions of a thread have come.
enum Drained {
    /// All have started that could.
    All,
    /// The stay is over.
    Over,
    /// The next one needs the kernel for itself.
    Unusual,
}

/// One stay of a processor beside others: its own part of the scheduler and the thread that it runs.
struct Visit<'v, 'a, P> {
    kernel: &'v SharedKernel<'a, P>,
    number: usize,
    here: &'v mut Processor,
    caller: Caller,
    thread: &'v mut Thread,
    stay: Stay,
}

impl<P: Platform> Visit<'_, '_, P> {
    /// Starts submissions in order.
    fn drain(&mut self) -> Drained {
        let (platform, area) = (self.kernel.platform, self.caller.area);
        self.thread.ring.positions.see_completion_head(platform.completion_head(area));
        let tail = self.thread.ring.positions.see_submission_tail(platform.submission_tail(area));
        let drained = loop {
            let Some(submission) = self.thread.ring.next_submission(platform, tail) else { break Drained::All };
            self.stay.spend(cost::ENTRY);
            let Some(step) = self.operate(&submission) else {
                self.thread.ring.positions.put_back_submission();
                break Drained::Unusual;
            };
            conclude(&mut self.thread.ring, platform, &submission, Ok(step));
            if self.stay.is_over() {
                break Drained::Over;
            }
        };
        self.thread.ring.publish(platform);
        drained
    }

    /// Runs one entry; `None`: nothing has changed, and the kernel has to be alone for it.
    #[inline]
    fn operate(&mut self, entry: &Submission) -> Option<Step> {
        match entry.op {
            op::CALL => self.call(entry),
            op::RETURN => self.reply(entry),
            op::SIGNAL => self.signal(entry),
            op::WAIT => self.wait(entry),
            _ => None,
        }
    }

    /// Lets the thread go on if it has what it wanted, or blocks it.
    fn finish(&mut self, wanted: u32) -> Option<()> {
        let unread = self.thread.ring.positions.unread();
        if unread < wanted {
            self.thread.state = State::Blocked(wanted);
            self.here.block();
        } else if self.here.has_woken() {
            return None;
        } else {
            self.kernel.platform.set_result(self.caller.thread.index(), u64::from(unread));
        }
        Some(())
    }

    /// What a usable handle of the caller's process names.
    #[inline]
    fn object(&self, handle: u64) -> Option<Object> {
        Some(self.kernel.processes.take(self.caller.process)?.handles.get(handle)?.object)
    }
}
