//! An endpoint that programs serve, one after the other, and the objects behind it that outlive them.

use campaign::Player;
use capnp::capability::FromClientHook;
use capnp::traits::HasTypeId;
use capos_service::spawn::{Quota, Spawn};
use capos_service::{Failure, slot};
use schema::endpoint_capnp::{endpoint, endpoint_server};
use schema::ledger_capnp::ledger;
use schema::memory_object_capnp::memory_reader;

/// What each program may use.
pub const QUOTA: Quota = Quota { frames: 1024, handles: 512, objects: 64, threads: 2 };

/// See the head of this file.
pub struct Place {
    endpoint: endpoint::Client,
    server: endpoint_server::Client,
}

impl Place {
    /// A new endpoint.
    pub async fn new() -> Result<Place, Failure> {
        let made = slot::<ledger::Client>("ledger")?.create_endpoint_request().send().promise.await?;
        let endpoint = made.get()?.get_endpoint()?;
        let server = endpoint.server_request().send().promise.await?.get()?.get_server()?;
        Ok(Place { endpoint, server })
    }

    /// An object that outlives its servers.
    pub async fn object<C: FromClientHook + HasTypeId>(&self) -> Result<C, Failure> {
        let mut request = self.endpoint.mint_durable_request();
        request.get().set_interface_id(C::TYPE_ID);
        Ok(request.send().promise.await?.get()?.get_object().get_as_capability()?)
    }

    /// Starts the program in the slot `binary` to serve here in a role.
    pub async fn serve(
        &self,
        binary: &str,
        role: &str,
        quota: Quota,
        grants: impl FnOnce(Spawn) -> Spawn,
    ) -> Result<Player, Failure> {
        let binary: memory_reader::Client = slot(binary)?;
        let lend = |spawn: Spawn| grants(spawn.argument(role).grant("endpoint", self.server.clone()));
        Player::start(&binary, role, quota, lend).await
    }
}
