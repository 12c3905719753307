//! Objects that come home just when they are passed out again, and origins that are given up just when they are copied: no object
//! ends while somebody can call it, and each ends once.

use crate::place::{Place, QUOTA};
use capnp::Error;
use capos_abi::handle::Handle;
use capos_abi::interface::{endpoint_server, process};
use capos_abi::status;
use capos_rt::handles::release_unreferenced;
use capos_rt::raw::{self, Failure as Refused, Message};
use capos_rt::startup;
use capos_service::{Failure, Service, handle, is_own, new_client, sleep, slot, spawn_local};
use schema::ledger_capnp::ledger;
use schema::workshop_capnp::{counter, workshop};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;
use verdict::check;

/// Objects that are passed out again and again.
const OBJECTS: u32 = 50;
/// How often each is.
const ROUNDS: u64 = 8;
/// How many copies of it are under way at once.
const AT_ONCE: u64 = 4;
/// Origins over which two threads race.
const RACES: u32 = 500;
/// Time between two looks at what comes to its end by itself.
const MOMENT: Duration = Duration::from_millis(5);

/// All of it.
pub async fn run() -> Result<(), Failure> {
    coming_and_going().await?;
    racing().await
}

/// An object of this program.
struct Own(Rc<Cell<u64>>);

impl counter::Server for Own {
    async fn add(self: Rc<Self>, params: counter::AddParams, mut results: counter::AddResults) -> Result<(), Error> {
        self.0.set(self.0.get() + params.get()?.get_amount());
        results.get().set_value(self.0.get());
        Ok(())
    }
}

/// The last copy of an object is given up elsewhere while other copies are sent: the notice of that must not end the object.
async fn coming_and_going() -> Result<(), Failure> {
    let service = Rc::new(Service::create().await?);
    let running = service.clone();
    spawn_local(async move { drop(running.run().await) });
    let place = Place::new().await?;
    let player = place.serve("workshop", "workshop", QUOTA, |spawn| spawn).await?;
    let workshop: workshop::Client = place.object().await?;
    let value = Rc::new(Cell::new(0));
    for object in 1..=OBJECTS {
        let own: counter::Client = new_client(Own(value.clone()));
        for _ in 0..ROUNDS {
            pass_around(&workshop, &own).await?;
        }
        if value.get() != u64::from(object) * ROUNDS * AT_ONCE {
            return Err("a call of an object was lost".into());
        }
    }
    while Rc::strong_count(&value) > 1 {
        sleep(MOMENT).await?;
    }
    check("objects that come and go end with their last reference", true)?;
    service.stop();
    player.kill().await
}

/// Copies go out and come home, and the object is called as what came home.
async fn pass_around(workshop: &workshop::Client, own: &counter::Client) -> Result<(), Failure> {
    let sent: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let mut request = workshop.same_request();
            request.get().set_counter(own.clone());
            request.send().promise
        })
        .collect();
    for answer in sent {
        let home = answer.await?.get()?.get_counter()?;
        if !is_own(&home) {
            return Err("an own object was not known".into());
        }
        let mut request = home.add_request();
        request.get().set_amount(1);
        request.send().promise.await?;
    }
    Ok(())
}

/// One thread gives an origin up if nobody has a copy, another one copies it: one of them is refused.
async fn racing() -> Result<(), Failure> {
    let made = slot::<ledger::Client>("ledger")?.create_endpoint_request().send().promise.await?;
    let owner = made.get()?.get_endpoint()?;
    let endpoint = handle(owner.client.hook.as_ref())?;
    let mut kept = 0;
    for race in 0..RACES {
        let origin = mint(endpoint).map_err(|refused| format!("minting ends with status {}", refused.status))?;
        // They take turns at being the thread that is there first.
        let (copied, given_up) = match race % 2 {
            0 => at_once(move || copy(origin), || release_unreferenced(origin))?,
            _ => {
                let (given_up, copied) = at_once(move || release_unreferenced(origin), || copy(origin))?;
                (copied, given_up)
            }
        };
        match (copied, given_up) {
            (Ok(copy), false) => {
                kept += 1;
                raw::release(copy);
                if !release_unreferenced(origin) {
                    return Err("an origin without copies cannot be given up".into());
                }
            }
            (Err(Refused { status: status::BAD_CAPABILITY, .. }), true) => {}
            (copied, given_up) => {
                let copied = copied.map_err(|refused| refused.status);
                return Err(format!("copied: {copied:?}, given up: {given_up}").into());
            }
        }
    }
    println!("of {RACES} origins, {kept} were copied first");
    check("an origin is copied or given up, never both", true)
}

/// Does one thing in another thread and one in this, at the same time.
fn at_once<A: Send + 'static, B>(
    there: impl FnOnce() -> A + Send + 'static,
    here: impl FnOnce() -> B,
) -> Result<(A, B), Failure> {
    let start = Arc::new(Barrier::new(2));
    let other = {
        let start = start.clone();
        thread::spawn(move || {
            start.wait();
            there()
        })
    };
    start.wait();
    let here = here();
    Ok((other.join().map_err(|_| "a thread has panicked")?, here))
}

fn mint(endpoint: Handle) -> Result<Handle, Refused> {
    use endpoint_server::{ID, mint::*};
    let message = Message::new(params::SHAPE).set(params::INTERFACE_ID, 1).set(params::KEY, 1);
    raw::call(endpoint, ID, METHOD, &message, 1).map(|reply| reply.capability(results::OBJECT))
}

/// A copy in this very process.
fn copy(origin: Handle) -> Result<Handle, Refused> {
    use process::{ID, grant::*};
    let message = Message::new(params::SHAPE).set_capability(params::CAPABILITY, origin);
    raw::call(startup::process(), ID, METHOD, &message, 0).map(|reply| reply.get(results::HANDLE))
}
