//! `Endpoint` and `EndpointServer`: minting the objects that calls go to.
use super::KernelCall;
use crate::Kernel;
use crate::authority::capability::{Capability, Object, Served};
use crate::execution::stay::cost;
use crate::ipc::endpoint::Endpoint;
use crate::ipc::message::{Params, Reply};
use crate::ipc::operation::{Refusal, Step};
use crate::platform::Platform;
use crate::slab::Id;
use capos_abi::interface::{endpoint, endpoint_server};
use capos_abi::status;

impl<P: Platform> Kernel<P> {
    pub(super) fn endpoint(
        &mut self,
        id: Id<Endpoint>,
        call: &KernelCall<'_>,
        params: &Params<'_>,
    ) -> Result<Step, Refusal> {
        self.stay.spend(cost::METHOD);
        if self.endpoints[id].ledger.is_none() {
            return Err(status::STALE.into());
        }
        match (call.entry.interface, call.entry.method) {
            (endpoint_server::ID, endpoint_server::mint::METHOD) => {
                use endpoint_server::mint;
                let (interface, key) = (params.get(mint::params::INTERFACE_ID), params.get(mint::params::KEY));
                let minter = Some(call.process());
                call.check_room(mint::results::SHAPE, 1, 0)?;
                self.prepare_to_mint(id, call.process())?;
                let object = self.minted(call, interface, Served { endpoint: id, key, minter })?;
                let origin = self.insert_root(call.process(), object);
                self.add_origin(origin);
                self.answer_slot(call, mint::results::SHAPE, mint::results::OBJECT, origin)
            }
            (endpoint_server::ID, endpoint_server::session_state::METHOD) => {
                use endpoint_server::{session_state::params as p, session_state::results, state};
                call.check_room(results::SHAPE, 0, 0)?;
                let live = self.knows_live_session(id, [params.get(p::FIRST), params.get(p::SECOND)]);
                let mut reply = Reply::new(results::SHAPE);
                reply.set(results::STATE, u64::from(if live { state::LIVE } else { state::ENDED }));
                self.answer(call, &reply)
            }
            (endpoint_server::ID, endpoint_server::identify::METHOD) => self.identify(id, call, params),
            (endpoint::ID, endpoint::mint_durable::METHOD) => {
                use endpoint::mint_durable;
                let (interface, key) =
                    (params.get(mint_durable::params::INTERFACE_ID), params.get(mint_durable::params::KEY));
                call.check_room(mint_durable::results::SHAPE, 1, 0)?;
                let object = self.minted(call, interface, Served { endpoint: id, key, minter: None })?;
                self.answer_new(call, mint_durable::results::SHAPE, mint_durable::results::OBJECT, object)
            }
            (endpoint::ID, endpoint::server::METHOD) => {
                use endpoint::server::results;
                let server = Capability::new(Object::Endpoint(id), endpoint_server::ID);
                self.answer_derived(call, results::SHAPE, results::SERVER, server)
            }
            _ => Err(status::UNIMPLEMENTED.into()),
        }
    }

    /// Tells a server which of its own objects a capability stands for.
    fn identify(&mut self, id: Id<Endpoint>, call: &KernelCall<'_>, params: &Params<'_>) -> Result<Step, Refusal> {
        use endpoint_server::identify::{params as p, results};
        call.check_room(results::SHAPE, 0, 0)?;
        let (_, capability) = self.sent_slot(call, params, p::OBJECT)?;
        let mut reply = Reply::new(results::SHAPE);
        if let Object::Served(Served { endpoint, key, minter }) = capability.object
            && endpoint == id
            && minter == Some(call.process())
        {
            reply.set(results::MINTER, endpoint_server::minter::CALLER.into());
            reply.set(results::INTERFACE_ID, capability.interface);
            reply.set(results::KEY, key);
        }
        self.answer(call, &reply)
    }

    /// A served object's capability, with a handle reserved for it.
    fn minted(&mut self, call: &KernelCall<'_>, interface: u64, served: Served) -> Result<Capability, Refusal> {
        if interface == 0 {
            return Err(status::BAD_ARGUMENT.into());
        }
        self.reserve_handles(call.process(), 1)?;
        Ok(Capability::new(Object::Served(served), interface))
    }
}
