//! Calls that do not leave their caller, because what they wait for does not come: their deadlines end them all the same.

use crate::objects::{House, answers, ends_with, start};
use capos_service::{Failure, RingCall, deadline_in, status};
use schema::workshop_capnp::{counter, workshop};
use std::time::Duration;
use verdict::check;

/// How long they may wait.
const PATIENCE: Duration = Duration::from_millis(20);
/// More calls than a ring has room for.
const CROWD: usize = 200;

/// All of it.
pub async fn run() -> Result<(), Failure> {
    let (closed, open) = (House::new().await?, House::new().await?);
    // Nothing that is asked of it is answered.
    closed.suspend().await?;
    promises(&closed.workshop, &open.workshop).await?;
    no_room(&closed.workshop, &open.workshop).await?;
    let (place, workshop) = closed.die().await?;
    let next = start(&place).await?;
    check("none of what was given up is done later", answers(&workshop).await?)?;
    next.kill().await?;
    open.die().await.map(drop)
}

fn promised(closed: &workshop::Client) -> counter::Client {
    closed.open_request().send().pipeline.get_counter()
}

type Use = capnp::capability::Request<workshop::use_params::Owned, workshop::use_results::Owned>;

/// A call of a workshop that carries a counter.
fn carrying(workshop: &workshop::Client, counter: counter::Client) -> Use {
    let mut request = workshop.use_request();
    request.get().set_counter(counter);
    request.get().set_times(1);
    request
}

/// A promise that is not kept, as target and as parameter.
async fn promises(closed: &workshop::Client, open: &workshop::Client) -> Result<(), Failure> {
    let call = promised(closed).add_request().with_deadline(deadline_in(PATIENCE)?).send().promise;
    ends_with("a call on a promise ends in time", call, status::DEADLINE).await?;
    let outcome = promised(closed).add_request().with_deadline(deadline_in(PATIENCE)?).call();
    ends_with("so does one that blocks", async { outcome }, status::DEADLINE).await?;

    let held = carrying(open, promised(closed)).with_deadline(deadline_in(PATIENCE)?).send().promise;
    let behind = open.counters_request().send().promise;
    ends_with("a call that carries a promise ends in time", held, status::DEADLINE).await?;
    check("and lets those behind it go", behind.await.is_ok())?;
    let outcome = carrying(open, promised(closed)).with_deadline(deadline_in(PATIENCE)?).call();
    ends_with("so does one that blocks", async { outcome }, status::DEADLINE).await?;

    let held = carrying(open, promised(closed)).send();
    let behind = open.counters_request().with_deadline(deadline_in(PATIENCE)?).send().promise;
    ends_with("a call behind one that waits ends in time", behind, status::DEADLINE).await?;
    drop(held);
    check("the way is free then", answers(open).await?)
}

/// A ring full of calls that are not answered. Even the clock cannot be asked then.
async fn no_room(closed: &workshop::Client, open: &workshop::Client) -> Result<(), Failure> {
    let (soon, later) = (deadline_in(PATIENCE)?, deadline_in(PATIENCE * 2)?);
    let crowd: Vec<_> = (0..CROWD).map(|_| closed.counters_request().send()).collect();
    let call = open.counters_request().with_deadline(soon).send().promise;
    ends_with("a call that the ring has no room for ends in time", call, status::DEADLINE).await?;
    let outcome = open.counters_request().with_deadline(later).call();
    ends_with("so does one that blocks", async { outcome }, status::DEADLINE).await?;
    drop(crowd);
    check("there is room again", answers(open).await?)
}
