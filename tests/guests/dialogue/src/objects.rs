//! What becomes of calls when their server dies: of objects that the endpoint's owner minted, which outlive it, and of those that
//! the server minted, which do not; of calls that had been delivered, and of those that had not.

use crate::place::{Place, QUOTA};
use campaign::Player;
use capnp::Error;
use capnp::capability::Promise;
use capos_service::{CallFailure, Failure, RingCall, deadline_in, sleep, status};
use schema::workshop_capnp::{counter, workshop};
use std::time::Duration;
use verdict::check;

/// Time between two looks.
const MOMENT: Duration = Duration::from_millis(5);

/// A workshop that can be killed, and comes back.
pub struct House {
    place: Place,
    /// What it offers.
    pub workshop: workshop::Client,
    player: Player,
}

impl House {
    /// A new one.
    pub async fn new() -> Result<House, Failure> {
        let place = Place::new().await?;
        let workshop = place.object().await?;
        let player = start(&place).await?;
        Ok(House { place, workshop, player })
    }

    /// Stops the server where it stands: nothing is delivered to it any more.
    pub async fn suspend(&self) -> Result<(), Failure> {
        self.player.process().suspend_request().send().promise.await?;
        Ok(())
    }

    /// Kills the server.
    pub async fn die(self) -> Result<(Place, workshop::Client), Failure> {
        self.player.kill().await?;
        Ok((self.place, self.workshop))
    }

    async fn counter(&self) -> Result<counter::Client, Failure> {
        Ok(self.workshop.open_request().send().promise.await?.get()?.get_counter()?)
    }

    /// Waits until so many calls stand in the workshop.
    async fn delivered(&self, calls: u32) -> Result<(), Failure> {
        while self.workshop.waiting_request().send().promise.await?.get()?.get_calls() != calls {
            sleep(MOMENT).await?;
        }
        Ok(())
    }
}

/// Starts a server.
pub async fn start(place: &Place) -> Result<Player, Failure> {
    place.serve("workshop", "workshop", QUOTA, |spawn| spawn).await
}

/// All of it.
pub async fn run() -> Result<(), Failure> {
    durable_delivered().await?;
    durable_queued().await?;
    ephemeral_delivered().await?;
    ephemeral_queued().await?;
    owner_gone().await
}

/// The end of a call, which must have failed with this status.
pub async fn ends_with<T>(
    what: &str,
    call: impl Future<Output = Result<T, Error>>,
    wanted: i32,
) -> Result<(), Failure> {
    let Err(error) = call.await else { return Err(format!("{what}: the call succeeds").into()) };
    let failure = CallFailure::of(&error);
    if failure.status != Some(wanted) {
        println!("{what}: {}", error.extra);
    }
    check(what, failure.status == Some(wanted))
}

/// Whether an object answers.
pub async fn answers(workshop: &workshop::Client) -> Result<bool, Error> {
    Ok(workshop.counters_request().send().promise.await?.get()?.get_alive() == 0)
}

/// Sends a call now, however late its answer is awaited.
fn under_way(call: Promise<impl Sized + 'static, Error>) -> Promise<(), Error> {
    Promise::from_future(async move { call.await.map(drop) })
}

async fn durable_delivered() -> Result<(), Failure> {
    let house = House::new().await?;
    let call = under_way(house.workshop.wait_request().send().promise);
    house.delivered(1).await?;
    let (place, workshop) = house.die().await?;
    ends_with("durable, delivered: it may have been executed", call, status::SERVER_DIED).await?;
    let next = start(&place).await?;
    check("the next server answers", answers(&workshop).await?)?;
    next.kill().await
}

async fn durable_queued() -> Result<(), Failure> {
    let house = House::new().await?;
    house.suspend().await?;
    let call = house.workshop.counters_request().send().promise;
    let late = house.workshop.counters_request().with_deadline(deadline_in(MOMENT)?).send().promise;
    sleep(MOMENT).await?;
    let (place, workshop) = house.die().await?;
    ends_with("durable, queued: it waits until its deadline", late, status::DEADLINE).await?;
    let unserved = workshop.counters_request().with_deadline(deadline_in(MOMENT)?).send().promise;
    ends_with("so does one that comes when there is no server", unserved, status::DEADLINE).await?;
    let next = start(&place).await?;
    check("or for the next server", call.await?.get()?.get_alive() == 0)?;
    next.kill().await
}

async fn ephemeral_delivered() -> Result<(), Failure> {
    let house = House::new().await?;
    let counter = house.counter().await?;
    let call = under_way(counter.hold_request().send().promise);
    house.delivered(1).await?;
    let (place, workshop) = house.die().await?;
    ends_with("ephemeral, delivered: it may have been executed", call, status::SERVER_DIED).await?;
    let add = counter.add_request().send().promise;
    ends_with("ephemeral, after its server's death: it is stale", add, status::STALE).await?;
    let next = start(&place).await?;
    check("the next server answers", answers(&workshop).await?)?;
    let add = counter.add_request().send().promise;
    ends_with("but the object stays stale", add, status::STALE).await?;
    next.kill().await
}

async fn ephemeral_queued() -> Result<(), Failure> {
    let house = House::new().await?;
    let counter = house.counter().await?;
    house.suspend().await?;
    let call = under_way(counter.add_request().send().promise);
    sleep(MOMENT).await?;
    house.die().await?;
    ends_with("ephemeral, queued: it is stale, and was not executed", call, status::STALE).await
}

async fn owner_gone() -> Result<(), Failure> {
    let house = House::new().await?;
    house.suspend().await?;
    let call = under_way(house.workshop.counters_request().send().promise);
    sleep(MOMENT).await?;
    let (place, workshop) = house.die().await?;
    drop(place);
    ends_with("without an owner, a queued call is stale", call, status::STALE).await?;
    let later = workshop.counters_request().send().promise;
    ends_with("and so is the object", later, status::STALE).await
}
