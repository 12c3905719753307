//! Clients that outlive deaths of the service: what is called again, and what never is.

use crate::{MOMENT, add, counters, open};
use capos_service::retry::{Policy, reopening, retrying};
use capos_service::{CallFailure, Failure, RingCall, Side, deadline_in, spawn_local, status};
use schema::workshop_capnp::workshop;
use verdict::check;

/// Has the workshop die while other calls wait there.
async fn crash(workshop: &workshop::Client) -> Result<(), Failure> {
    let crash = workshop.crash_request().send().promise.await.map(drop).unwrap_err();
    check("a call that is not idempotent is told", CallFailure::of(&crash).status == Some(status::SERVER_DIED))
}

/// Kills the workshop again and again behind clients that do not notice.
pub async fn outlives(workshop: &workshop::Client) -> Result<(), Failure> {
    let patient = retrying(workshop.clone(), Policy::default());
    crash(&patient).await?;
    check("an idempotent one reaches the next instance", counters(&patient).await? == 0)?;

    let root = workshop.clone();
    let opened = open(workshop, 10).await?;
    let counter = reopening(opened, Policy::default(), async move || Ok(open(&root, 100).await?));
    check("an object that ends with its service", add(&counter, 1).await? == 11)?;
    let copy = counter.clone();
    crash(workshop).await?;
    let values = (add(&counter, 1).await?, add(&copy, 1).await?);
    check("is opened again, once for all who hold it", values == (101, 102))?;

    impatient(workshop).await?;
    wishes(&patient).await
}

/// Attempts are bounded: a service that dies at each of them is given up.
async fn impatient(workshop: &workshop::Client) -> Result<(), Failure> {
    let once = retrying(workshop.clone(), Policy { attempts: 1, ..Policy::default() });
    let dying = workshop.clone();
    let waiting = once.wait_request().send().promise;
    spawn_local(async move { drop(dying.crash_request().send().promise.await) });
    let error = waiting.await.map(drop).unwrap_err();
    let failure = CallFailure::of(&error);
    check("attempts are bounded", (failure.side, failure.status) == (Side::Kernel, Some(status::SERVER_DIED)))
}

/// What a request was asked for holds for every attempt.
async fn wishes(workshop: &workshop::Client) -> Result<(), Failure> {
    let waiting = workshop.wait_request().with_deadline(deadline_in(MOMENT)?).send().promise;
    let error = waiting.await.map(drop).unwrap_err();
    check("a call that may be made again has a deadline", CallFailure::of(&error).status == Some(status::DEADLINE))
}
