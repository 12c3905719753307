//! What the framework does for services: limits, figures, several threads, an end in good order.

use crate::{MOMENT, counters, open};
use capnp::Error;
use capnp::capability::Promise;
use capos_service::{CallFailure, Context, Failure, Kind, Service, Side, new_client, sleep, spawn_local, status};
use schema::echo_capnp::echo;
use schema::service_capnp::service_status;
use schema::supervisor_capnp::supervisor;
use schema::workshop_capnp::{counter, workshop};
use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use verdict::check;

/// Calls that the services `narrow-service` and `narrow-object` work on at the same time.
const LIMIT: usize = 3;
/// Threads of the service `crew`.
const CREW: usize = 4;
/// Calls made of it.
const CALLS: u64 = 400;

/// All of it.
pub async fn framework(context: &Context) -> Result<(), Failure> {
    for (slot, whose) in [("narrow-service", "service"), ("narrow-object", "object")] {
        limits(&context.take(slot)?, whose).await?;
    }
    let supervisor: supervisor::Client = context.take("supervisor")?;
    figures(&supervisor).await?;
    even_spread(&context.take("crew")?).await?;
    across_threads(&context.take("workshop-crew")?).await?;
    let workshop: workshop::Client = context.take("workshop")?;
    good_order(&workshop, &supervisor).await?;
    lost_patience(&workshop, &supervisor).await
}

/// Calls beyond the limit are refused with a sentence that names it; those that end make room.
async fn limits(workshop: &workshop::Client, whose: &str) -> Result<(), Failure> {
    let waiting: Vec<_> = (0..LIMIT).map(|_| workshop.wait_request().send().promise).collect();
    let error = counters(workshop).await.unwrap_err();
    let failure = CallFailure::of(&error);
    let sentence = format!("the {whose} works on at most {LIMIT} calls at the same time");
    let refused = (failure.side, failure.kind, failure.message) == (Side::Server, Kind::Overloaded, &*sentence);
    check(&format!("the {whose}'s limit"), refused)?;
    drop(waiting);
    sleep(MOMENT).await?;
    check(&format!("the {whose} has room again"), counters(workshop).await? == 0)
}

async fn status_of(supervisor: &supervisor::Client, name: &str) -> capnp::Result<service_status::Client> {
    let mut request = supervisor.status_request();
    request.get().set_name(name);
    request.send().promise.await?.get()?.get_status()
}

/// What the limited service has counted by now.
async fn figures(supervisor: &supervisor::Client) -> Result<(), Failure> {
    let status = status_of(supervisor, "narrow-service").await?;
    let answer = status.figures_request().send().promise.await?;
    let figures = answer.get()?.get_figures()?;
    // Those of `limits`, this one, and one or two by which init learned that the service is ready.
    let calls = LIMIT as u64 + 3;
    let counted = (calls + 1..=calls + 2).contains(&figures.get_calls());
    check("calls are counted", counted && figures.get_in_flight() == 1)?;
    check("so is the most at a time", figures.get_highest_in_flight() == LIMIT as u32 + 1)?;
    check("and the limit told", figures.get_limit() == LIMIT as u32)?;
    check("bytes are counted", figures.get_bytes_received() > 0 && figures.get_bytes_sent() > 0)?;
    let errors = figures.get_errors()?;
    check("errors are counted by kind", errors.get_overloaded() == 1 && errors.get_failed() == 0)?;
    check("a cancelled call is one", errors.get_disconnected() == LIMIT as u64)?;
    let error = status_of(supervisor, "calls").await.map(drop).unwrap_err();
    check("a program that offers nothing has no figures", CallFailure::of(&error).side == Side::Server)
}

/// Every thread of a service gets its share: half of an even one at least.
async fn even_spread(crew: &echo::Client) -> Result<(), Failure> {
    let mut share = [0; CREW];
    for a in 0..CALLS {
        let mut request = crew.words_request();
        request.get().set_a(a);
        let answer = request.send().promise.await?;
        let answer = answer.get()?;
        check_quietly(answer.get_a() == a)?;
        *share.get_mut(answer.get_b() as usize).ok_or("there is one thread too many")? += 1;
    }
    println!("calls by thread: {share:?}");
    check("every thread has its share", share.iter().all(|calls| *calls >= CALLS / CREW as u64 / 2))
}

/// An object lives with the thread that has passed it out. Every other thread of the service knows it as somebody else's, and
/// calls it there.
async fn across_threads(workshop: &workshop::Client) -> Result<(), Failure> {
    for start in 0..CREW as u64 {
        let counter = open(workshop, start).await?;
        for times in 1..=CREW as u64 {
            let mut request = workshop.use_request();
            request.get().set_counter(counter.clone());
            request.get().set_times(1);
            let value = request.send().promise.await?.get()?.get_value();
            check_quietly(value == start + times)?;
        }
        // Whose turn it is is not told: a thread that is still at work is passed over.
        let mut seen = [false; 2];
        for _ in 0..CALLS {
            let mut request = workshop.same_request();
            request.get().set_counter(counter.clone());
            seen[usize::from(request.send().promise.await?.get()?.get_own())] = true;
        }
        check_quietly(seen == [true; 2])?;
    }
    check("an object has one thread, and the others reach it", true)?;
    sleep(MOMENT).await?;
    for _ in 0..CREW {
        check_quietly(counters(workshop).await? == 0)?;
    }
    check("it ends with its last capability, wherever that was", true)
}

fn check_quietly(holds: bool) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err("an answer went to another call".into()) }
}

fn restart(supervisor: &supervisor::Client, patience_milliseconds: u32) -> Promise<(), Error> {
    let mut request = supervisor.restart_request();
    request.get().set_name("workshop");
    request.get().set_patience_milliseconds(patience_milliseconds);
    let promise = request.send().promise;
    Promise::from_future(async move { promise.await.map(drop) })
}

/// A counter that takes its time.
#[derive(Default)]
struct Slow {
    has_begun: Cell<bool>,
    may_end: Cell<bool>,
}

impl counter::Server for Slow {
    async fn add(self: Rc<Self>, _: counter::AddParams, mut results: counter::AddResults) -> capnp::Result<()> {
        self.has_begun.set(true);
        until(&self.may_end).await?;
        results.get().set_value(7);
        Ok(())
    }
}

async fn until(flag: &Cell<bool>) -> capnp::Result<()> {
    while !flag.get() {
        sleep(MOMENT).await?;
    }
    Ok(())
}

/// A service that is restarted finishes what it is doing, refuses what is new, and is there again.
async fn good_order(workshop: &workshop::Client, supervisor: &supervisor::Client) -> Result<(), Failure> {
    let own = Rc::new(Service::create().await?);
    let running = own.clone();
    spawn_local(async move { drop(running.run().await) });
    let mut request = workshop.use_request();
    let slow = Rc::new(Slow::default());
    request.get().set_counter(new_client::<counter::Client, Slow>(slow.clone()));
    request.get().set_times(1);
    let in_flight = request.send().promise;
    until(&slow.has_begun).await?;
    let restarted = restart(supervisor, 60_000);
    let error = loop {
        match counters(workshop).await {
            Ok(_) => sleep(MOMENT).await?,
            Err(error) => break error,
        }
    };
    slow.may_end.set(true);
    let failure = CallFailure::of(&error);
    let refused = (failure.side, failure.message) == (Side::Server, "the service is stopping");
    check("a service that stops refuses what is new", refused)?;
    check("and finishes what is in flight", in_flight.await?.get()?.get_value() == 7)?;
    restarted.await?;
    own.stop();
    check("then it is there again", counters(workshop).await? == 0)
}

/// A service that does not come to its end is ended.
async fn lost_patience(workshop: &workshop::Client, supervisor: &supervisor::Client) -> Result<(), Failure> {
    let waiting = workshop.wait_request().send().promise;
    // The service takes calls in order: that one is in flight then.
    counters(workshop).await?;
    restart(supervisor, 100).await?;
    let error = waiting.await.map(drop).unwrap_err();
    check("patience ends", CallFailure::of(&error).status == Some(status::SERVER_DIED))?;
    check("and the next instance serves", counters(workshop).await? == 0)
}

/// Says that every check held, and has the system stopped in good order: this program first.
pub async fn stop_all(context: &Context) -> Result<(), Failure> {
    println!("tests complete");
    context.take::<supervisor::Client>("supervisor")?.shutdown_request().send().promise.await?;
    pending().await
}
