//! `Session`, `SessionControl` and `SessionAuthority`: who somebody is, and for how long.
use super::KernelCall;
use crate::Kernel;
use crate::authority::capability::{Capability, Object};
use crate::authority::session::{Attributes, Session};
use crate::ipc::message::{Params, Reply};
use crate::ipc::operation::{Refusal, Step};
use crate::platform::Platform;
use crate::slab::Id;
use capos_abi::interface::session::{inspect, principal, state, strength};
use capos_abi::interface::session_authority::open;
use capos_abi::interface::session_control::{end, progress, session as facet};
use capos_abi::interface::{ledger, session, session_authority, session_control};
use capos_abi::status;

impl<P: Platform> Kernel<P> {
    pub(super) fn session(&mut self, id: Id<Session>, call: &KernelCall<'_>) -> Result<Step, Refusal> {
        match (call.entry.interface, call.entry.method) {
            (session::ID, inspect::METHOD) => {
                use inspect::results;
                call.check_room(results::SHAPE, 0, 0)?;
                let Session { ended, attributes, .. } = self.sessions[id];
                let mut reply = Reply::new(results::SHAPE);
                reply.set(results::STATE, u64::from(if ended { state::ENDED } else { state::LIVE }));
                reply.set(results::PRINCIPAL, attributes.principal.into());
                reply.set(results::STRENGTH, attributes.strength.into());
                reply.set(results::PROFILE, attributes.profile.into());
                self.answer(call, &reply)
            }
            (session_control::ID, facet::METHOD) => {
                use facet::results;
                let facet = Capability::new(Object::Session(id), session::ID);
                self.answer_derived(call, results::SHAPE, results::SESSION, facet)
            }
            (session_control::ID, end::METHOD) => {
                use end::results;
                call.check_room(results::SHAPE, 0, 0)?;
                let done = self.end_session_step(id);
                let mut reply = Reply::new(results::SHAPE);
                reply.set(results::PROGRESS, u64::from(if done { progress::DONE } else { progress::MORE }));
                self.answer(call, &reply)
            }
            _ => Err(status::UNIMPLEMENTED.into()),
        }
    }

    pub(super) fn open_session(&mut self, call: &KernelCall<'_>, params: &Params<'_>) -> Result<Step, Refusal> {
        use open::{params as p, results};
        if (call.entry.interface, call.entry.method) != (session_authority::ID, open::METHOD) {
            return Err(status::UNIMPLEMENTED.into());
        }
        let (_, payer) = self.sent_slot(call, params, p::LEDGER)?;
        let (Object::Ledger(payer), true) = (payer.object, payer.offers(ledger::ID)) else {
            return Err(status::BAD_ARGUMENT.into());
        };
        let attributes = Attributes {
            principal: enumerant(params.get(p::PRINCIPAL), principal::ANONYMOUS)?,
            strength: enumerant(params.get(p::STRENGTH), strength::SEVERAL_FACTORS)?,
            profile: params.get(p::PROFILE) as u8,
        };
        call.check_room(results::SHAPE, 1, 0)?;
        self.prepare_chore()?;
        self.charge_object(payer, call.process())?;
        match self.sessions.insert(payer, attributes) {
            Ok(made) => {
                let control = Capability::new(Object::SessionControl(made), session_control::ID);
                self.answer_new(call, results::SHAPE, results::CONTROL, control)
            }
            Err(heap) => {
                self.uncharge_object(payer, call.process());
                Err(heap.into())
            }
        }
    }
}

/// A value of an enumeration whose last one is `last`.
fn enumerant(value: u64, last: u16) -> Result<u8, Refusal> {
    if value <= last.into() { Ok(value as u8) } else { Err(status::BAD_ARGUMENT.into()) }
}
