//! Calls that cause calls, by generated servers: from process to process in a ring, as deep as there is room for, and deeper.
//!
//! A server works on as many calls as its pool has slots. When every slot of the ring holds a call that waits for another one, nothing
//! but a deadline helps; and that must free them all.

use crate::place::{Place, QUOTA};
use campaign::Player;
use capnp::Error;
use capos_rt::receiver::MAX_SLOTS;
use capos_service::{CallFailure, Context, Failure, RingCall, deadline_in, status};
use schema::relay_capnp::relay;
use std::rc::Rc;
use std::time::Duration;
use verdict::check;

/// The name of this role.
pub const ROLE: &str = "relay";
/// Calls in the longest chain.
const DEPTH: u32 = 64;
/// Processes in the rings that are tried: one that calls itself, two that call each other, three.
const RINGS: [u32; 3] = [1, 2, 3];
/// Bytes of a relay's ring area: enough for all slots that a server may have.
const RING_BYTES: u32 = 256 << 10;
/// How long a call may take for which there is no room.
const PATIENCE: Duration = Duration::from_millis(200);

struct Relay(relay::Client);

impl relay::Server for Relay {
    async fn pass(self: Rc<Self>, params: relay::PassParams, mut results: relay::PassResults) -> Result<(), Error> {
        let params = params.get()?;
        if params.get_depth() == 0 {
            return Ok(());
        }
        let next = if params.has_next() { params.get_next()? } else { self.0.clone() };
        let mut request = next.pass_request();
        request.get().set_depth(params.get_depth() - 1);
        if params.has_next() {
            request.get().set_next(params.get_next()?);
        }
        let answer = request.send().promise.await?;
        results.get().set_length(answer.get()?.get_length() + 1);
        Ok(())
    }
}

/// Serves until it is killed.
pub async fn serve(context: &Context) -> Result<(), Failure> {
    context.offer::<relay::Client, _>(Relay(context.take("next")?))?;
    context.serve().await
}

/// Chains in every ring.
pub async fn run() -> Result<(), Failure> {
    for processes in RINGS {
        around(processes).await?;
    }
    Ok(())
}

async fn around(processes: u32) -> Result<(), Failure> {
    let mut places: Vec<(Place, relay::Client)> = Vec::new();
    for _ in 0..processes {
        let place = Place::new().await?;
        let object = place.object().await?;
        places.push((place, object));
    }
    let mut relays: Vec<Player> = Vec::new();
    for (at, (place, _)) in places.iter().enumerate() {
        let (_, next) = &places[(at + 1) % places.len()];
        let grants = |spawn: capos_service::spawn::Spawn| spawn.ring_bytes(RING_BYTES).grant("next", next.clone());
        relays.push(place.serve("dialogue", ROLE, QUOTA, grants).await?);
    }
    let (_, first) = &places[0];
    let room = processes * MAX_SLOTS;
    let depth = DEPTH.min(room - 1);
    let whole = async || Ok::<_, Failure>(length(first, depth, None, 0).await? == depth);
    check(&format!("{processes} processes call each other {depth} deep"), whole().await?)?;
    let handed = length(first, depth.min(MAX_SLOTS - 2), Some(first.clone()), 0).await?;
    check("so do those that call what comes with the call", handed == depth.min(MAX_SLOTS - 2))?;
    let error = length(first, room + 1, None, deadline_in(PATIENCE)?).await.unwrap_err();
    check("what is too deep ends in time", CallFailure::of(&error).status == Some(status::DEADLINE))?;
    check("and leaves all room", whole().await?)?;
    for relay in relays {
        relay.kill().await?;
    }
    Ok(())
}

/// Calls that a chain of this depth has made.
async fn length(first: &relay::Client, depth: u32, next: Option<relay::Client>, deadline: u64) -> Result<u32, Error> {
    let mut request = first.pass_request();
    request.get().set_depth(depth);
    if let Some(next) = next {
        request.get().set_next(next);
    }
    let answer = request.with_deadline(deadline).send().promise.await?;
    Ok(answer.get()?.get_length())
}
