//! Calls the service `workshop` in another process in every way, and says what held.

mod retry;
mod service;

use capnp::capability::RemotePromise;
use capnp::{Error, ErrorKind};
use capos_service::queue::Exchange;
use capos_service::{
    CallFailure, Failure, RingCall, Service, Side, attribute, deadline_in, is_own, moving, new_client, sleep,
    spawn_local,
};
use schema::workshop_capnp::{counter, workshop};
use std::cell::Cell;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;
use verdict::check;

/// Long enough for what was sent to be handled.
const MOMENT: Duration = Duration::from_millis(20);

fn main() -> ExitCode {
    capos_service::run(async |context| {
        let workshop: workshop::Client = context.take("workshop")?;
        many_calls(&workshop).await?;
        objects_end(&workshop).await?;
        pipelines(&workshop).await?;
        own_objects(&workshop).await?;
        moves(&workshop).await?;
        cancellation(&workshop).await?;
        deadlines(&workshop).await?;
        errors(&workshop).await?;
        results(&workshop).await?;
        large_messages(&workshop).await?;
        queues(&workshop).await?;
        sessions(&workshop).await?;
        death(&workshop).await?;
        service::framework(&context).await?;
        retry::outlives(&workshop).await?;
        service::stop_all(&context).await
    })
}

async fn counters(workshop: &workshop::Client) -> Result<u32, Error> {
    Ok(workshop.counters_request().send().promise.await?.get()?.get_alive())
}

async fn open(workshop: &workshop::Client, start: u64) -> Result<counter::Client, Error> {
    let mut request = workshop.open_request();
    request.get().set_start(start);
    request.send().promise.await?.get()?.get_counter()
}

async fn add(counter: &counter::Client, amount: u64) -> Result<u64, Error> {
    let mut request = counter.add_request();
    request.get().set_amount(amount);
    Ok(request.send().promise.await?.get()?.get_value())
}

async fn many_calls(workshop: &workshop::Client) -> Result<(), Failure> {
    let counter = open(workshop, 0).await?;
    for _ in 0..200 {
        let mut request = counter.add_request();
        request.get().set_amount(1);
        request.call()?;
    }
    let calls: Vec<_> = (0..200)
        .map(|_| {
            let mut request = counter.add_request();
            request.get().set_amount(1);
            request.send().promise
        })
        .collect();
    for call in calls {
        call.await?;
    }
    check("400 calls, blocking and all at once", add(&counter, 0).await? == 400)
}

async fn objects_end(workshop: &workshop::Client) -> Result<(), Failure> {
    let before = counters(workshop).await?;
    let counter = open(workshop, 7).await?;
    let copy = counter.clone();
    check("an object has its own state", add(&counter, 1).await? == 8 && add(&copy, 1).await? == 9)?;
    drop(counter);
    check("an object lives with its last capability", counters(workshop).await? == before + 1)?;
    drop(copy);
    sleep(MOMENT).await?;
    check("an object ends with its last capability", counters(workshop).await? == before)
}

async fn pipelines(workshop: &workshop::Client) -> Result<(), Failure> {
    let mut request = workshop.open_request();
    request.get().set_start(100);
    let counter = request.send().pipeline.get_counter();
    check("a call on a promise", add(&counter, 5).await? == 105)?;
    promises_travel(workshop).await
}

/// A counter that is only promised goes with a call that is made at once.
async fn promises_travel(workshop: &workshop::Client) -> Result<(), Failure> {
    let with = |counter: counter::Client| {
        let mut request = workshop.use_request();
        request.get().set_counter(counter);
        request.get().set_times(3);
        request.send().promise
    };
    let kept = with(workshop.open_request().send().pipeline.get_counter());
    check("a promise as a parameter", kept.await?.get()?.get_value() == 3)?;
    let error = with(workshop.same_request().send().pipeline.get_counter()).await.map(drop).unwrap_err();
    check("a broken one fails the call", CallFailure::of(&error).side == Side::Server)
}

/// A counter of this program.
struct Own(Rc<Cell<u64>>);

impl counter::Server for Own {
    async fn add(self: Rc<Self>, params: counter::AddParams, mut results: counter::AddResults) -> Result<(), Error> {
        self.0.set(self.0.get() + params.get()?.get_amount());
        results.get().set_value(self.0.get());
        Ok(())
    }
}

async fn own_objects(workshop: &workshop::Client) -> Result<(), Failure> {
    let service = Rc::new(Service::create().await?);
    let running = service.clone();
    spawn_local(async move { running.run().await.expect("the endpoint is this program's own") });
    let value = Rc::new(Cell::new(0));
    let mut request = workshop.use_request();
    request.get().set_counter(new_client::<counter::Client, _>(Own(value.clone())));
    request.get().set_times(50);
    let answer = request.send().promise.await?;
    check("a service calls back", answer.get()?.get_value() == 50 && value.get() == 50)?;
    drop(answer);
    sleep(MOMENT).await?;
    check("an object that was lent comes to its end", Rc::strong_count(&value) == 1)?;
    coming_home(workshop).await?;
    service.stop();
    Ok(())
}

/// Objects that were passed out and come back are known as the own ones, on either side.
async fn coming_home(workshop: &workshop::Client) -> Result<(), Failure> {
    let same = |counter: counter::Client| {
        let mut request = workshop.same_request();
        request.get().set_counter(counter);
        request.send()
    };
    let value = Rc::new(Cell::new(0));
    let RemotePromise { promise, pipeline } = same(new_client(Own(value.clone())));
    let mut request = pipeline.get_counter().add_request();
    drop(pipeline);
    request.get().set_amount(5);
    let (queued, answer) = (request.send().promise, promise.await?);
    let home = answer.get()?.get_counter()?;
    check("a call on a promise of an own object", queued.await?.get()?.get_value() == 5)?;
    check("an own object in a result is known", is_own(&home) && !answer.get()?.get_own())?;
    check("it is called here", add(&home, 2).await? == 7 && value.get() == 7)?;
    drop((home, answer));
    sleep(MOMENT).await?;
    check("it ends with its last capability", Rc::strong_count(&value) == 1)?;
    let theirs = open(workshop, 1).await?;
    let answer = same(theirs.clone()).promise.await?;
    check("an own object in parameters is known", answer.get()?.get_own())?;
    check("it is the same", !is_own(&theirs) && add(&answer.get()?.get_counter()?, 1).await? == 2)?;
    check("it is one object", add(&theirs, 1).await? == 3)
}

async fn moves(workshop: &workshop::Client) -> Result<(), Failure> {
    let before = counters(workshop).await?;
    let counter = open(workshop, 10).await?;
    let copy = counter.clone();
    check("a capability that others hold is not moved", moving(copy).is_err())?;
    let mut request = workshop.use_request();
    request.get().set_counter(moving(counter)?);
    request.get().set_times(3);
    check("a moved capability works where it went", request.send().promise.await?.get()?.get_value() == 13)?;
    sleep(MOMENT).await?;
    check("a moved capability is gone with its new holder", counters(workshop).await? == before)
}

async fn cancellation(workshop: &workshop::Client) -> Result<(), Failure> {
    let waiting = async || Ok::<_, Error>(workshop.waiting_request().send().promise.await?.get()?.get_calls());
    let call = workshop.wait_request().send();
    check("a method may wait while others are served", waiting().await? == 1)?;
    drop(call);
    sleep(MOMENT).await?;
    check("a dropped promise ends the method", waiting().await? == 0)
}

async fn deadlines(workshop: &workshop::Client) -> Result<(), Failure> {
    let error = workshop.wait_request().with_deadline(deadline_in(MOMENT)?).call().map(drop).unwrap_err();
    check("a deadline ends a blocking call", error.kind == ErrorKind::Overloaded)
}

async fn errors(workshop: &workshop::Client) -> Result<(), Failure> {
    let mut request = workshop.fail_request();
    request.get().set_message("as asked");
    let error = request.send().promise.await.map(drop).unwrap_err();
    check("an error keeps kind and text", error.kind == ErrorKind::Failed && error.extra == "server: as asked")?;
    let counter = open(workshop, 1).await?;
    let wide: workshop::Client = capnp::capability::FromClientHook::cast_to(counter);
    let error = wide.counters_request().send().promise.await.map(drop).unwrap_err();
    check("a narrow capability does not reach the wide interface", error.kind == ErrorKind::Unimplemented)
}

async fn results(workshop: &workshop::Client) -> Result<(), Failure> {
    let request = |times| {
        let mut request = workshop.repeat_request();
        request.get().set_text("0123456789");
        request.get().set_times(times);
        request
    };
    let answer = request(1000).send().promise.await?;
    check("a large result comes as memory", answer.get()?.get_text()?.len() == 10_000)?;
    let answer = request(1000).with_result_bytes(12_000).send().promise.await?;
    check("a large result has room if asked for", answer.get()?.get_text()?.len() == 10_000)
}

/// Texts that a message just holds, just does not, and holds by no means.
async fn large_messages(workshop: &workshop::Client) -> Result<(), Failure> {
    let back = async |bytes: usize| {
        let text: String = ('a'..='z').cycle().take(bytes).collect();
        let mut request = workshop.repeat_request();
        request.get().set_text(&text);
        request.get().set_times(1);
        let answer = request.send().promise.await?;
        Ok::<_, Error>(answer.get()?.get_text()? == &*text)
    };
    for bytes in [4063, 4064, 4065, 1 << 20] {
        check(&format!("{bytes} bytes go there and back"), back(bytes).await?)?;
    }
    let error = back(5 << 20).await.unwrap_err();
    println!("{}", error.extra);
    let named = error.extra.contains("5242912 bytes") && error.extra.contains("4194304 bytes");
    check("beyond the endpoint's limit both sizes are named", named && error.kind == ErrorKind::Overloaded)?;
    check("the service goes on", back(10).await?)
}

/// A queue in shared memory: the service takes out what this program puts in, while the call that says so is running.
async fn queues(workshop: &workshop::Client) -> Result<(), Failure> {
    const COUNT: u64 = 10_000;
    let exchange = Exchange::<1>::new(16).await?;
    let mut request = workshop.consume_request();
    let mut params = request.get();
    params.set_memory(exchange.memory.clone());
    params.set_bell(exchange.bell.clone());
    params.set_entries(exchange.entries);
    params.set_count(COUNT);
    let consumed = request.send().promise;
    let mut sender = exchange.sender().await?;
    for value in 0..COUNT {
        sender.send([value]).await?;
    }
    sender.flush()?;
    check("a queue passes everything on once", consumed.await?.get()?.get_sum() == COUNT * (COUNT - 1) / 2)
}

/// What the service sees of the session of this program, which is the system's.
async fn sessions(workshop: &workshop::Client) -> Result<(), Failure> {
    let seen = async |attributes: u32| {
        let answer = workshop.caller_request().disclosing(attributes).send().promise.await?;
        let caller = answer.get()?;
        Ok::<_, Error>(((caller.get_first(), caller.get_second()), caller.get_disclosed()))
    };
    let (reference, disclosed) = seen(0).await?;
    check("nothing is disclosed that was not asked for", disclosed == 0 && reference.0 != 0)?;
    let (again, disclosed) = seen(attribute::PRINCIPAL | attribute::PROFILE).await?;
    check("a session is known by the same reference", again == reference)?;
    check("what is disclosed is what was asked for", disclosed == attribute::PRINCIPAL | attribute::PROFILE)
}

async fn death(workshop: &workshop::Client) -> Result<(), Failure> {
    let counter = open(workshop, 1).await?;
    let waiting = workshop.wait_request().send().promise;
    let crash = workshop.crash_request().send().promise.await.map(drop).unwrap_err();
    check("the call that kills its server is told", crash.kind == ErrorKind::Disconnected)?;
    let waited = waiting.await.map(drop).unwrap_err();
    check("so is another one that it was serving", waited.kind == ErrorKind::Disconnected)?;
    check("the service comes back behind the same capability", counters(workshop).await? == 0)?;
    let stale = add(&counter, 1).await.unwrap_err();
    check("the objects of the dead one are stale", stale.kind == ErrorKind::Disconnected)
}
