//! `Thread`: waiting for a thread's end.
use super::KernelCall;
use crate::Kernel;
use crate::authority::capability::Object;
use crate::execution::thread::{State, Thread};
use crate::heap::{Payer, make_room};
use crate::ipc::message::Reply;
use crate::ipc::notification::MAX_WAITERS;
use crate::ipc::operation::{Refusal, Step};
use crate::ipc::record::{MethodRecord, MethodTarget, Record, Waiter};
use crate::platform::Platform;
use crate::slab::Id;
use capos_abi::interface::thread::join;
use capos_abi::ring::{Completion, kind};
use capos_abi::status;

impl<P: Platform> Kernel<P> {
    pub(super) fn thread(&mut self, id: Id<Thread>, call: &KernelCall<'_>) -> Result<Step, Refusal> {
        if call.entry.method != join::METHOD {
            return Err(status::UNIMPLEMENTED.into());
        }
        call.check_room(join::results::SHAPE, 0, 0)?;
        if self.threads[id].state == State::Ended {
            let reply = join_reply(self.threads[id].code);
            return self.answer(call, &reply);
        }
        self.start_method(call, MethodTarget::Thread(id))
    }

    /// Answers a `join`.
    pub(crate) fn answer_join(&mut self, waiter: Waiter, code: i32) {
        self.finish_method(waiter, &join_reply(code));
    }

    /// Leaves a record of a method that answers later.
    pub(super) fn start_method(&mut self, call: &KernelCall<'_>, target: MethodTarget) -> Result<Step, Refusal> {
        let entry = call.entry;
        self.check_tag(call.thread(), entry.tag)?;
        self.make_waiter_room(target)?;
        self.waiters_for(target).push(Waiter { thread: call.thread(), tag: entry.tag });
        self.retain(match target {
            MethodTarget::Process(id) => Object::Process(id),
            MethodTarget::Thread(id) => Object::Thread(id),
            MethodTarget::Faults(id) => Object::Faults(id),
        });
        let record = MethodRecord {
            handle: entry.handle,
            user_data: entry.user_data,
            target,
            result: call.result,
            deadline: entry.deadline,
        };
        self.threads[call.thread()].ring.start(entry.tag, Record::Method(record));
        Ok(Step::Pending)
    }

    /// Makes room for one more who waits; whoever pays for what is waited for pays for it.
    fn make_waiter_room(&mut self, target: MethodTarget) -> Result<(), Refusal> {
        let ledger = match target {
            MethodTarget::Process(id) | MethodTarget::Faults(id) => self.processes[id].ledger,
            MethodTarget::Thread(id) => self.threads[id].ledger,
        };
        let waiters = match target {
            MethodTarget::Process(id) => &mut self.processes[id].waiters,
            MethodTarget::Faults(id) => &mut self.processes[id].fault_waiters,
            MethodTarget::Thread(id) => &mut self.threads[id].waiters,
        };
        if waiters.len() == MAX_WAITERS {
            return Err(status::BAD_STATE.into());
        }
        make_room(waiters, 1, Payer { ledgers: &mut self.ledgers, ledger, stay: &mut self.stay })
    }

    /// Writes the result of a method that waited, and completes it.
    pub(super) fn finish_method(&mut self, waiter: Waiter, reply: &Reply) {
        let Record::Method(method) = self.threads[waiter.thread].ring.finish(waiter.tag) else { return };
        let area = self.threads[waiter.thread].ring.area;
        self.platform.write_arena(area, method.result.offset, reply.words());
        let completion = Completion {
            user_data: method.user_data,
            bytes: reply.words().len() as u32 * 8,
            kind: kind::DONE,
            tag: waiter.tag,
            ..Completion::default()
        };
        self.complete(waiter.thread, &completion);
        self.release_target(method.target);
    }
}

fn join_reply(code: i32) -> Reply {
    let mut reply = Reply::new(join::results::SHAPE);
    reply.set(join::results::CODE, code as u32 as u64);
    reply
}
