//! One program: what outlives its instances (ledger, endpoint, objects) and how its present instance is doing.

use crate::given::Capability;
use capnp::Error;
use capnp::capability::FromClientHook;
use capnp::traits::HasTypeId;
use capos_service::retry::{Policy, retrying};
use capos_service::spawn::create_ledger;
use capos_service::{CONTROL_KEY, RingCall, deadline_in, slot};
use init::manifest::Program;
use init::restart::Restarts;
use schema::endpoint_capnp::{endpoint, endpoint_server};
use schema::ledger_capnp::ledger;
use schema::process_capnp::process;
use schema::service_capnp::{service_control, service_status};
use std::cell::{Cell, RefCell};
use std::time::Duration;

/// How long those who use a service wait for it to serve before they are started all the same.
const READY_PATIENCE: Duration = Duration::from_secs(5);

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
    /// How it is supervised, if it offers anything.
    pub control: Option<service_control::Client>,
    /// Its figures, for whoever asks.
    pub status: Option<service_status::Client>,
    /// Whether the running instance serves.
    pub ready: Cell<bool>,
    /// Whether the end of the running instance is to be followed by a restart, whatever the policy says.
    pub again: Cell<bool>,
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
        let mut unit = Unit {
            ledger,
            endpoint: None,
            objects: Vec::new(),
            control: None,
            status: None,
            ready: Cell::new(false),
            again: Cell::new(false),
            state: RefCell::new(State::Waiting),
            restarts: Cell::new(0),
            last_end: RefCell::new(String::new()),
            policy: RefCell::new(Restarts::new(program.restart)),
            program,
        };
        if !unit.program.offers.is_empty() {
            unit.serve().await?;
        }
        Ok(unit)
    }

    /// Makes the endpoint of what it offers, and the objects.
    async fn serve(&mut self) -> Result<(), Error> {
        let served = Served::new().await?;
        for (key, &interface) in (0..).zip(&self.program.offers) {
            self.objects.push(served.mint(interface, key).await?);
        }
        let status = served.mint(service_status::Client::TYPE_ID, CONTROL_KEY).await?;
        let control = served.mint(service_control::Client::TYPE_ID, CONTROL_KEY).await?;
        self.status = Some(FromClientHook::new(status));
        self.control = Some(retrying(FromClientHook::new(control), Policy::default()));
        self.endpoint = Some(served.server);
        Ok(())
    }

    /// Waits until the running instance serves, or the next one if it does not get that far. False if that takes too long.
    pub async fn wait_ready(&self) -> Result<bool, Error> {
        if let Some(control) = self.control.as_ref().filter(|_| !self.ready.get()) {
            let ready = control.ready_request().with_deadline(deadline_in(READY_PATIENCE)?).send().promise.await;
            self.ready.set(ready.is_ok());
            return Ok(ready.is_ok());
        }
        Ok(true)
    }

    /// Has the running instance finish what it is doing, and ends it when the patience is over.
    pub async fn stop(&self, patience: Duration) -> Result<(), Error> {
        let Some(process) = self.process() else { return Ok(()) };
        let deadline = deadline_in(patience)?;
        if let Some(control) = &self.control
            && control.stop_request().with_deadline(deadline).send().promise.await.is_ok()
            && process.wait_request().with_deadline(deadline).send().promise.await.is_ok()
        {
            return Ok(());
        }
        process.kill_request().send().promise.await.map(drop)
    }

    /// The running instance.
    pub fn process(&self) -> Option<process::Client> {
        match &*self.state.borrow() {
            State::Running(process) => Some(process.clone()),
            _ => None,
        }
    }
}

/// A new endpoint: the facet to lend to a server, and the right to mint durable objects.
pub struct Served {
    owner: endpoint::Client,
    /// The facet.
    pub server: endpoint_server::Client,
}

impl Served {
    /// One that the own ledger pays for.
    pub async fn new() -> Result<Served, Error> {
        let reply = slot::<ledger::Client>("ledger")?.create_endpoint_request().send().promise.await?;
        let owner = reply.get()?.get_endpoint()?;
        let server = owner.server_request().send().promise.await?.get()?.get_server()?;
        Ok(Served { owner, server })
    }

    /// A durable object of an interface.
    pub async fn mint(&self, interface: u64, key: u64) -> Result<Capability, Error> {
        let mut request = self.owner.mint_durable_request();
        request.get().set_interface_id(interface);
        request.get().set_key(key);
        request.send().promise.await?.get()?.get_object().get_as_capability()
    }
}
