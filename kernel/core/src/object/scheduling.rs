//! `SchedulingContext` and `SchedulingAuthority`: who gets how much processor time.
use super::KernelCall;
use crate::Kernel;
use crate::authority::capability::{Capability, Object};
use crate::execution::schedule::account::Numbers;
use crate::execution::stay::cost;
use crate::execution::thread::{State, Thread};
use crate::ipc::message::{Params, Reply};
use crate::ipc::operation::{Refusal, Step};
use crate::ledger::Ledger;
use crate::platform::Platform;
use crate::slab::Id;
use capos_abi::interface::{self, scheduling_authority::create, scheduling_context};
use capos_abi::status;

/// A scheduling context.
pub struct SchedulingContext {
    /// Slots that refer to it.
    pub references: u32,
    /// Who pays for it; `None`: its ledger was reclaimed, and it has ended.
    pub ledger: Option<Id<Ledger>>,
    numbers: Numbers,
    bound: Option<Id<Thread>>,
    /// Nanoseconds run on it by threads that are bound no more.
    consumed: u64,
}

impl<P: Platform> Kernel<P> {
    pub(super) fn scheduling_authority(&mut self, call: &KernelCall<'_>, params: &Params<'_>) -> Result<Step, Refusal> {
        use create::{params as p, results};
        if call.entry.method != create::METHOD {
            return Err(status::UNIMPLEMENTED.into());
        }
        self.stay.spend(cost::METHOD);
        let (_, payer) = self.sent_slot(call, params, p::LEDGER)?;
        let (Object::Ledger(ledger), true) = (payer.object, payer.offers(interface::ledger::ID)) else {
            return Err(status::BAD_ARGUMENT.into());
        };
        let numbers = Numbers {
            weight: params.get(p::WEIGHT) as u32,
            slice: params.get(p::SLICE),
            budget: params.get(p::BUDGET),
            period: params.get(p::PERIOD),
            processors: params.get(p::PROCESSORS),
        };
        if !numbers.are_valid(self.platform.processors()) {
            return Err(status::BAD_ARGUMENT.into());
        }
        call.check_room(results::SHAPE, 1, 0)?;
        self.charge_object(ledger, call.process())?;
        let context = SchedulingContext { references: 0, ledger: Some(ledger), numbers, bound: None, consumed: 0 };
        match self.contexts.insert(context) {
            Ok(made) => {
                let capability = Capability::new(Object::Scheduling(made), scheduling_context::ID);
                self.answer_new(call, results::SHAPE, results::CONTEXT, capability)
            }
            Err(heap) => {
                self.uncharge_object(ledger, call.process());
                Err(heap.into())
            }
        }
    }

    pub(super) fn scheduling_context(
        &mut self,
        id: Id<SchedulingContext>,
        call: &KernelCall<'_>,
        params: &Params<'_>,
    ) -> Result<Step, Refusal> {
        use scheduling_context::{bind, inspect, unbind};
        if self.contexts[id].ledger.is_none() {
            return Err(status::STALE.into());
        }
        match call.entry.method {
            bind::METHOD => {
                let (_, target) = self.sent_slot(call, params, bind::params::THREAD)?;
                let (Object::Thread(thread), true) = (target.object, target.offers(interface::thread::ID)) else {
                    return Err(status::BAD_ARGUMENT.into());
                };
                call.check_room(bind::results::SHAPE, 0, 0)?;
                let has_ended = matches!(self.threads[thread].state, State::Stopped | State::Ended);
                if has_ended || self.contexts[id].bound.is_some_and(|bound| bound != thread) {
                    return Err(status::BAD_STATE.into());
                }
                self.bind_context(id, thread);
                self.answer(call, &Reply::new(bind::results::SHAPE))
            }
            unbind::METHOD => {
                call.check_room(unbind::results::SHAPE, 0, 0)?;
                self.unbind_context(id);
                self.answer(call, &Reply::new(unbind::results::SHAPE))
            }
            inspect::METHOD => {
                use inspect::results;
                call.check_room(results::SHAPE, 0, 0)?;
                if let Some(thread) = self.contexts[id].bound {
                    self.settle_account(thread);
                }
                let context = &self.contexts[id];
                let (numbers, bound) = (context.numbers, context.bound.and_then(|thread| self.threads.get(thread)));
                let mut reply = Reply::new(results::SHAPE);
                reply.set(results::WEIGHT, u64::from(numbers.weight));
                reply.set(results::SLICE, numbers.slice);
                reply.set(results::BUDGET, numbers.budget);
                reply.set(results::PERIOD, numbers.period);
                reply.set(results::PROCESSORS, numbers.processors);
                let consumed = context.consumed + bound.map_or(0, |thread| thread.account.consumed);
                reply.set(results::CONSUMED, consumed);
                self.answer(call, &reply)
            }
            _ => Err(status::UNIMPLEMENTED.into()),
        }
    }

    fn bind_context(&mut self, id: Id<SchedulingContext>, thread: Id<Thread>) {
        if self.threads[thread].context == Some(id) {
            return;
        }
        if let Some(before) = self.threads[thread].context {
            self.unbind_context(before);
        }
        self.settle_account(thread);
        let numbers = self.contexts[id].numbers;
        self.contexts[id].bound = Some(thread);
        self.threads[thread].context = Some(id);
        self.change_account(thread, numbers);
    }

    /// The thread that is bound to a context goes back to the ordinary numbers.
    pub(crate) fn unbind_context(&mut self, id: Id<SchedulingContext>) {
        let Some(thread) = self.contexts[id].bound.take() else { return };
        self.settle_account(thread);
        let Some(entry) = self.threads.get_mut(thread) else { return };
        entry.context = None;
        let consumed = entry.account.consumed;
        self.contexts[id].consumed += consumed;
        self.change_account(thread, Numbers::ORDINARY);
    }

    fn change_account(&mut self, thread: Id<Thread>, numbers: Numbers) {
        self.threads[thread].account.change(numbers);
        self.reconsider(thread);
    }

    /// Gives up a reference to a context.
    pub(crate) fn release_context(&mut self, id: Id<SchedulingContext>) {
        self.contexts[id].references -= 1;
        if self.contexts[id].references == 0 {
            self.unbind_context(id);
            if let Some(context) = self.contexts.remove(id)
                && let Some(ledger) = context.ledger
            {
                self.refund_object(ledger);
            }
        }
    }
}
