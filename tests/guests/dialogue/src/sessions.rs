//! Sessions as servers see them: which attributes they learn, how they know a session again, and how it ends.

use crate::place::{Place, QUOTA};
use campaign::Player;
use capnp::Error;
use capos_abi::message::attribute::{PRINCIPAL, PROFILE, STRENGTH};
use capos_service::spawn::Spawn;
use capos_service::{
    CallFailure, Context, Failure, RingCall, Service, import, new_client, sleep, slot, spawn_local, status, time,
};
use schema::ledger_capnp::ledger;
use schema::memory_object_capnp::memory_reader;
use schema::process_capnp::process;
use schema::session_capnp::{session, session_authority, session_control};
use schema::workshop_capnp::{counter, workshop};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use verdict::check;

/// The name of this role.
pub const ROLE: &str = "visitor";
/// Sets of attributes.
const SETS: u32 = 8;
/// What every session of this test is.
const TRUTH: [(u32, u8); 3] = [(PRINCIPAL, 1), (STRENGTH, 2), (PROFILE, 9)];
/// Time between two looks.
const MOMENT: Duration = Duration::from_millis(5);

/// A new session of a person.
pub async fn open_session(context: &Context) -> Result<session_control::Client, Failure> {
    let mut request = context.take::<session_authority::Client>("sessions")?.open_request();
    let mut attributes = request.get();
    attributes.set_ledger(slot::<ledger::Client>("ledger")?);
    attributes.set_principal(session::Principal::Person);
    attributes.set_strength(session::Strength::Key);
    attributes.set_profile(9);
    Ok(request.send().promise.await?.get()?.get_control()?)
}

/// What the visitors tell the conductor: the two words of their session's reference, each.
struct Reports(Rc<RefCell<Vec<u64>>>);

impl counter::Server for Reports {
    async fn add(self: Rc<Self>, params: counter::AddParams, _: counter::AddResults) -> Result<(), Error> {
        self.0.borrow_mut().push(params.get()?.get_amount());
        Ok(())
    }
}

/// The workshop, and what its visitors have reported.
struct House {
    /// Calls need an endpoint.
    _place: Place,
    workshop: workshop::Client,
    player: Player,
    reports: Rc<RefCell<Vec<u64>>>,
    inbox: counter::Client,
}

impl House {
    async fn new() -> Result<House, Failure> {
        let place = Place::new().await?;
        let player = place.serve("workshop", "workshop", QUOTA, |spawn| spawn).await?;
        let reports = Rc::<RefCell<Vec<u64>>>::default();
        let inbox = new_client(Reports(reports.clone()));
        Ok(House { workshop: place.object().await?, _place: place, player, reports, inbox })
    }

    /// Starts a visitor in this session, and waits for the reference that the workshop has of it.
    async fn visit(&self, control: &session_control::Client) -> Result<(Player, [u64; 2]), Failure> {
        let session = control.session_request().send().promise.await?.get()?.get_session()?;
        let mut objects = Vec::new();
        for set in 0..SETS {
            objects.push(narrowed(&self.workshop, set).await?);
        }
        let binary: memory_reader::Client = slot("dialogue")?;
        let grants = |spawn: Spawn| {
            let spawn = spawn.argument(ROLE).session(session).grant("inbox", self.inbox.clone());
            (0..).zip(objects).fold(spawn, |spawn, (set, object): (u32, _)| spawn.grant(&slot_name(set), object))
        };
        let visitor = Player::start(&binary, ROLE, QUOTA, grants).await?;
        while self.reports.borrow().len() < 2 {
            sleep(MOMENT).await?;
        }
        let reported = self.reports.take();
        Ok((visitor, [reported[0], reported[1]]))
    }

    async fn is_live(&self, [first, second]: [u64; 2]) -> Result<bool, Failure> {
        let mut request = self.workshop.live_request();
        request.get().set_first(first);
        request.get().set_second(second);
        Ok(request.send().promise.await?.get()?.get_live())
    }

    /// Waits until so many calls stand in the workshop.
    async fn delivered(&self, calls: u32) -> Result<(), Failure> {
        while self.workshop.waiting_request().send().promise.await?.get()?.get_calls() != calls {
            sleep(MOMENT).await?;
        }
        Ok(())
    }
}

/// All of it.
pub async fn run(context: &Context) -> Result<(), Failure> {
    let service = Rc::new(Service::create().await?);
    let running = service.clone();
    spawn_local(async move { drop(running.run().await) });
    let house = House::new().await?;
    let (one, other) = (open_session(context).await?, open_session(context).await?);
    let (first, known) = house.visit(&one).await?;
    let (second, again) = house.visit(&one).await?;
    let (third, stranger) = house.visit(&other).await?;
    check("processes of a session are known as that", known == again && known != stranger)?;
    let elsewhere = House::new().await?;
    let (fourth, foreign) = elsewhere.visit(&one).await?;
    check("another service knows the session otherwise", foreign != known)?;
    check("a reference is worth something there only", elsewhere.is_live(foreign).await?)?;
    check("and nothing here", !house.is_live(foreign).await?)?;

    house.delivered(3).await?;
    check("sessions that last are live", house.is_live(known).await? && house.is_live(stranger).await?)?;
    while one.end_request().send().promise.await?.get()?.get_progress()? != session_control::Progress::Done {}
    for visitor in [first, second, fourth] {
        visitor.ends_well().await?;
    }
    house.delivered(1).await?;
    check("the server is told of the calls that end with a session", true)?;
    check("whose reference is stale", !house.is_live(known).await? && !elsewhere.is_live(foreign).await?)?;
    check("another session goes on", house.is_live(stranger).await?)?;
    drop(other);
    third.ends_well().await?;
    house.delivered(0).await?;
    check("a session ends with its last control", !house.is_live(stranger).await?)?;
    service.stop();
    elsewhere.player.kill().await?;
    house.player.kill().await
}

/// A copy of an object through which calls disclose these attributes at most.
async fn narrowed(object: &workshop::Client, disclosable: u32) -> Result<workshop::Client, Failure> {
    let mut request = slot::<process::Client>("process")?.grant_request();
    request.get().init_capability().set_as_capability(object.client.hook.clone());
    request.get().set_disclosable(disclosable as u8);
    Ok(import(request.send().promise.await?.get()?.get_handle()))
}

/// Slot of the workshop through which these attributes can be disclosed.
fn slot_name(disclosable: u32) -> String {
    format!("workshop-{disclosable}")
}

/// The visitor: looks at what the workshop sees of it, and stays until its session ends.
pub async fn visit(context: &Context) -> Result<(), Failure> {
    let mut reference = None;
    for allowed in 0..SETS {
        let workshop: workshop::Client = context.take(&slot_name(allowed))?;
        for asked in 0..SETS {
            let answer = workshop.caller_request().disclosing(asked).send().promise.await?;
            let seen = answer.get()?;
            let words = [seen.get_first(), seen.get_second()];
            if *reference.get_or_insert(words) != words || words == [0, 0] {
                return Err("a session is known by several references".into());
            }
            if seen.get_disclosed() != disclosure(asked & allowed) {
                let disclosed = seen.get_disclosed();
                return Err(format!("asked {asked}, allowed {allowed}, but {disclosed:#x} is disclosed").into());
            }
        }
    }
    let workshop: workshop::Client = context.take(&slot_name(0))?;
    let standing = workshop.wait_request().send().promise;
    let inbox: counter::Client = context.take("inbox")?;
    for word in reference.into_iter().flatten() {
        let mut request = inbox.add_request();
        request.get().set_amount(word);
        request.send().promise.await?;
    }
    ended("a call in flight", standing.await.map(drop))?;
    ended("a new call", workshop.counters_request().send().promise.await.map(drop))?;
    ended("a blocking one", workshop.counters_request().call().map(drop))?;
    check("kernel objects still answer", time::now()? > 0)
}

/// What the kernel tells of these attributes: which ones, then a byte for each.
fn disclosure(attributes: u32) -> u32 {
    let told = TRUTH.iter().enumerate().filter(|(_, (attribute, _))| attributes & attribute != 0);
    told.fold(attributes, |disclosed, (at, (_, value))| disclosed | u32::from(*value) << (8 * (at + 1)))
}

fn ended(what: &str, outcome: Result<(), Error>) -> Result<(), Failure> {
    let Err(error) = outcome else { return Err(format!("{what} succeeds in a session that has ended").into()) };
    check(&format!("{what} of an ended session"), CallFailure::of(&error).status == Some(status::SESSION_ENDED))
}
