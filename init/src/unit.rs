//! One program: what outlives its instances (ledger, endpoint, objects) and how its present instance is doing.

use crate::given::Capability;
use capnp::Error;
use capos_service::slot;
use capos_service::spawn::create_ledger;
use init::manifest::Program;
use init::restart::Restarts;
use schema::endpoint_capnp::{endpoint, endpoint_server};
use schema::ledger_capnp::ledger;
use schema::process_capnp::process;
use std::cell::{Cell, RefCell};

/// A program and its instances.
pub struct Unit {
    /// What the manifest says of it.
    pub program: Program,
    /// Pays for every instance.
    pub ledger: ledger::Client,
    /// What its instances serve, if it offers anything.
    pub endpoint: Option<endpoint_server::Client>,
    /// What it offers. Clients keep these over a restart.
    pub objects: Vec<Capability>,
    /// Where it stands.
    pub state: RefCell<State>,
    /// Restarts so far.
    pub restarts: Cell<u32>,
    /// How it last ended, in words.
    pub last_end: RefCell<String>,
    /// When it may be started again.
    pub policy: RefCell<Restarts>,
}

/// Where a program stands.
pub enum State {
    /// It will be started.
    Waiting,
    /// An instance runs.
    Running(process::Client),
    /// It will not be started again.
    Ended,
}

impl Unit {
    /// Makes what outlives the instances.
    pub async fn new(program: Program) -> Result<Unit, Error> {
        let ledger = create_ledger(&slot("ledger")?, program.quota).await?;
        let (endpoint, objects) = match program.offers.as_slice() {
            [] => (None, Vec::new()),
            offers => {
                let (server, objects) = serve(offers).await?;
                (Some(server), objects)
            }
        };
        Ok(Unit {
            ledger,
            endpoint,
            objects,
            state: RefCell::new(State::Waiting),
            restarts: Cell::new(0),
            last_end: RefCell::new(String::new()),
            policy: RefCell::new(Restarts::new(program.restart)),
            program,
        })
    }

    /// The running instance.
    pub fn process(&self) -> Option<process::Client> {
        match &*self.state.borrow() {
            State::Running(process) => Some(process.clone()),
            _ => None,
        }
    }
}

/// A new endpoint: the facet to lend to a server, and one durable object for each of these interfaces.
pub async fn serve(interfaces: &[u64]) -> Result<(endpoint_server::Client, Vec<Capability>), Error> {
    let reply = slot::<ledger::Client>("ledger")?.create_endpoint_request().send().promise.await?;
    let endpoint = reply.get()?.get_endpoint()?;
    let mut objects = Vec::new();
    for (key, interface) in (0..).zip(interfaces) {
        objects.push(mint(&endpoint, *interface, key).await?);
    }
    let server = endpoint.server_request().send().promise.await?.get()?.get_server()?;
    Ok((server, objects))
}

async fn mint(endpoint: &endpoint::Client, interface: u64, key: u64) -> Result<Capability, Error> {
    let mut request = endpoint.mint_durable_request();
    request.get().set_interface_id(interface);
    request.get().set_key(key);
    request.send().promise.await?.get()?.get_object().get_as_capability()
}
