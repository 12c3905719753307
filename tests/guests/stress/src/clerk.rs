//! A server and a client of `Workshop` as anybody would write them, who read everything that they are sent.

use capnp::Error;
use capnp::capability::FromClientHook;
use capnp::traits::HasTypeId;
use capos_service::{Failure, any_slot, new_client, slot};
use schema::ledger_capnp::ledger;
use schema::supervisor_capnp::supervisor;
use schema::workshop_capnp::{counter, workshop};
use std::rc::Rc;

/// What the server serves.
pub const INTERFACE: u64 = <workshop::Client as HasTypeId>::TYPE_ID;
/// Times that a text is repeated or a counter called at most: the caller's number is anything.
const MOST_TIMES: u32 = 4;

/// The server.
pub struct Clerk;

struct Counter;

impl counter::Server for Counter {
    async fn add(self: Rc<Self>, params: counter::AddParams, mut results: counter::AddResults) -> Result<(), Error> {
        results.get().set_value(params.get()?.get_amount());
        Ok(())
    }
}

impl workshop::Server for Clerk {
    async fn open(
        self: Rc<Self>,
        params: workshop::OpenParams,
        mut results: workshop::OpenResults,
    ) -> Result<(), Error> {
        params.get()?.total_size()?;
        results.get().set_counter(new_client::<counter::Client, _>(Counter));
        Ok(())
    }

    async fn counters(
        self: Rc<Self>,
        params: workshop::CountersParams,
        _: workshop::CountersResults,
    ) -> Result<(), Error> {
        params.get()?.total_size().map(drop)
    }

    async fn use_(self: Rc<Self>, params: workshop::UseParams, mut results: workshop::UseResults) -> Result<(), Error> {
        let params = params.get()?;
        let counter = params.get_counter()?;
        for _ in 0..params.get_times().min(MOST_TIMES) {
            results.get().set_value(counter.add_request().send().promise.await?.get()?.get_value());
        }
        Ok(())
    }

    async fn fail(self: Rc<Self>, params: workshop::FailParams, _: workshop::FailResults) -> Result<(), Error> {
        Err(Error::failed(params.get()?.get_message()?.to_string()?))
    }

    async fn repeat(
        self: Rc<Self>,
        params: workshop::RepeatParams,
        mut results: workshop::RepeatResults,
    ) -> Result<(), Error> {
        let params = params.get()?;
        params.total_size()?;
        let times = params.get_times().min(MOST_TIMES) as usize;
        results.get().set_text(params.get_text()?.to_str()?.repeat(times));
        Ok(())
    }

    async fn consume(
        self: Rc<Self>,
        params: workshop::ConsumeParams,
        _: workshop::ConsumeResults,
    ) -> Result<(), Error> {
        let params = params.get()?;
        let (_memory, _bell) = (params.get_memory()?, params.get_bell()?);
        params.total_size().map(drop)
    }

    async fn caller(self: Rc<Self>, params: workshop::CallerParams, _: workshop::CallerResults) -> Result<(), Error> {
        params.get()?.total_size().map(drop)
    }
}

/// A conversation as it should be.
pub async fn use_honestly(workshop: &workshop::Client) -> Result<(), Failure> {
    let mut request = workshop.repeat_request();
    request.get().set_text("as ever");
    request.get().set_times(2);
    let reply = request.send().promise.await?;
    if reply.get()?.get_text()? != "as everas ever" {
        return Err("the server has lost its mind".into());
    }
    Ok(())
}

/// Calls the object in the slot `object` so often, and reads all that comes. Afterwards nothing of it is held any more.
pub async fn use_carefully(count: u32) -> Result<(), Failure> {
    let (_, hook) = any_slot("object")?;
    let workshop = workshop::Client::new(hook.add_ref());
    let supervisor = supervisor::Client::new(hook);
    visit(&workshop, &supervisor, 0).await.ok();
    let before = handles().await?;
    let (mut answers, mut errors) = (0, 0);
    for number in 0..count {
        match visit(&workshop, &supervisor, number).await {
            Ok(()) => answers += 1,
            Err(_) => errors += 1,
        }
    }
    println!("{answers} answers could be read, {errors} could not");
    let after = handles().await?;
    if after != before {
        return Err(format!("{before} handles were held, now {after} are").into());
    }
    if answers > 0 && errors > 0 { Ok(()) } else { Err("all alike".into()) }
}

async fn visit(workshop: &workshop::Client, supervisor: &supervisor::Client, number: u32) -> Result<(), Error> {
    match number % 4 {
        0 => {
            let reply = supervisor.list_request().send().promise.await?;
            reply.get()?.total_size()?;
            for service in reply.get()?.get_services()? {
                service.get_name()?.to_str()?;
                service.get_last_end()?.to_str()?;
                service.get_state()?;
            }
            Ok(())
        }
        1 => {
            let reply = workshop.repeat_request().send().promise.await?;
            reply.get()?.get_text()?.to_str()?;
            reply.get()?.total_size().map(drop)
        }
        2 => {
            let counter = workshop.open_request().send().promise.await?.get()?.get_counter()?;
            drop(counter);
            Ok(())
        }
        _ => workshop.caller_request().send().promise.await?.get()?.total_size().map(drop),
    }
}

async fn handles() -> Result<u64, Error> {
    let reply = slot::<ledger::Client>("ledger")?.inspect_request().send().promise.await?;
    reply.get().map(|ledger| ledger.get_handles_used())
}
