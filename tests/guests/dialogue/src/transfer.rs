//! Capabilities in calls and results, many at once: all of them arrive or none, the receiver pays, and a refusal says which one
//! was at fault and why. Nothing is lost by it.

use crate::bells::{bell, bells, copy, has_copies, heard, ring, stale};
use crate::depot::ROLE;
use crate::place::{Place, QUOTA};
use crate::sessions::open_session;
use campaign::Player;
use capnp::private::capability::ClientHook;
use capnp::{Error, ErrorKind};
use capos_service::spawn::Quota;
use capos_service::{CallFailure, Context, Failure, Reason, Refusal, RingCall, Side, moving, status};
use schema::depot_capnp::depot::{self, How};
use schema::notification_capnp::notification;
use schema::process_capnp::process::Reach;
use schema::session_capnp::session_control;
use verdict::check;

/// Capabilities of a message at most.
const MOST: usize = 15;
/// Which of a ledger's figures counts handles.
const HANDLES: usize = 1;
/// A note with which a message is a large one.
const LONG_NOTE: usize = 20_000;

/// A depot in a session of its own.
struct Abroad {
    depot: depot::Client,
    player: Player,
    /// A session lasts as long as somebody holds this.
    _session: session_control::Client,
}

impl Abroad {
    async fn new(context: &Context, quota: Quota) -> Result<Abroad, Failure> {
        let place = Place::new().await?;
        let control = open_session(context).await?;
        let session = control.session_request().send().promise.await?.get()?.get_session()?;
        let player = place.serve("dialogue", ROLE, quota, |spawn| spawn.session(session)).await?;
        let abroad = Abroad { depot: place.object().await?, player, _session: control };
        // From now on it serves, and has used what it will need anyway.
        abroad.clear().await?;
        Ok(abroad)
    }

    async fn keep(&self, hooks: Vec<Box<dyn ClientHook>>, note: usize) -> Result<(), Error> {
        let mut request = self.depot.keep_request();
        let mut list = request.get().init_bells(hooks.len() as u32);
        for (place, hook) in (0..).zip(hooks) {
            list.set(place, hook);
        }
        if note > 0 {
            request.get().set_note("x".repeat(note));
        }
        request.send().promise.await.map(drop)
    }

    async fn ring(&self, bits: u64) -> Result<u32, Error> {
        let mut request = self.depot.ring_request();
        request.get().set_bits(bits);
        Ok(request.send().promise.await?.get()?.get_rung())
    }

    async fn give(&self, how: How, accepting: u8) -> Result<Vec<notification::Client>, Error> {
        let mut request = self.depot.give_request();
        request.get().set_how(how);
        let answer = request.accepting(accepting).send().promise.await?;
        answer.get()?.get_bells()?.iter().collect()
    }

    async fn clear(&self) -> Result<u32, Error> {
        Ok(self.depot.clear_request().send().promise.await?.get()?.get_cleared())
    }

    /// Handles that its ledger pays for.
    async fn handles(&self) -> Result<u64, Failure> {
        Ok(self.player.used().await?[HANDLES])
    }
}

/// All of it.
pub async fn run(context: &Context) -> Result<(), Failure> {
    let abroad = Abroad::new(context, QUOTA).await?;
    for count in [1, 4, 5, MOST] {
        there_and_back(&abroad, count).await?;
    }
    large(&abroad).await?;
    refused_in_calls(&abroad).await?;
    refused_in_results(&abroad).await?;
    abroad.player.kill().await?;
    receiver_pays(context).await
}

fn copies(of: &[notification::Client]) -> Vec<Box<dyn ClientHook>> {
    of.iter().map(|bell| bell.client.hook.clone()).collect()
}

/// Bells that are copied there, copied back, and moved back.
async fn there_and_back(abroad: &Abroad, count: usize) -> Result<(), Failure> {
    let own = bells(count).await?;
    let before = abroad.handles().await?;
    abroad.keep(copies(&own), 0).await?;
    let charged = abroad.handles().await? - before;
    check(&format!("{count} copies in a call, charged to their receiver"), charged == count as u64)?;
    let rung = abroad.ring(1).await? as usize;
    check("each works there", rung == count && all_heard(&own, |_| 1).await?)?;
    let back = abroad.give(How::Copied, MOST as u8).await?;
    check(&format!("{count} copies in a result, in their order"), in_order(&own, &back).await?)?;
    drop(back);
    let back = abroad.give(How::Moved, MOST as u8).await?;
    check("moved in a result, they are here", in_order(&own, &back).await?)?;
    let left = (abroad.clear().await?, abroad.handles().await?);
    check("and not there", left == (0, before))?;
    let moved = back.into_iter().map(|bell| Ok(moving(bell)?.client.hook)).collect::<Result<_, Error>>()?;
    abroad.keep(moved, 0).await?;
    let rung = abroad.ring(2).await? as usize;
    check("moved in a call, they are there", rung == count && all_heard(&own, |_| 2).await?)?;
    let cleared = abroad.clear().await? as usize;
    check("and given up there, nowhere", cleared == count && none_is_left(&own).await?)
}

/// Whether every bell was rung with the bits that belong to its place.
async fn all_heard(bells: &[notification::Client], bits: impl Fn(usize) -> u64) -> Result<bool, Failure> {
    for (place, bell) in bells.iter().enumerate() {
        if heard(bell).await? != bits(place) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether each of these rings the bell in the same place.
async fn in_order(own: &[notification::Client], others: &[notification::Client]) -> Result<bool, Failure> {
    for (place, other) in others.iter().enumerate() {
        if !ring(other, 1 << place).await {
            return Ok(false);
        }
    }
    Ok(own.len() == others.len() && all_heard(own, |place| 1 << place).await?)
}

/// Whether nobody holds anything that was derived from these. What was given up here may still stand in the ring.
async fn none_is_left(own: &[notification::Client]) -> Result<bool, Failure> {
    for bell in own {
        if has_copies(bell).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A large message travels as memory, which is one of the capabilities itself.
async fn large(abroad: &Abroad) -> Result<(), Failure> {
    let own = bells(MOST + 1).await?;
    abroad.keep(copies(&own[..MOST - 1]), LONG_NOTE).await?;
    check("14 with a large message", abroad.clear().await? == 14)?;
    for (count, note) in [(MOST, LONG_NOTE), (MOST + 1, 0)] {
        let error = abroad.keep(copies(&own[..count]), note).await.unwrap_err();
        let failure = CallFailure::of(&error);
        let told = (failure.side, failure.message) == (Side::Caller, "the message carries more than 15 capabilities");
        check("too many are refused before they leave", told)?;
    }
    check("and none has left", abroad.clear().await? == 0)
}

/// Each reason, as the caller sees it; everything is where it was.
async fn refused_in_calls(abroad: &Abroad) -> Result<(), Failure> {
    let own = bells(3).await?;
    let with = |place: usize, hook: Box<dyn ClientHook>| {
        let mut hooks = copies(&own);
        hooks[place] = hook;
        hooks
    };
    let old = bell().await?;
    let bad = stale(&old).await?;
    let refused = abroad.keep(with(1, bad.client.hook), 0).await;
    refusal("a stale one in a call", refused, Side::Kernel, Refusal::Capability(1, Reason::Stale))?;

    let confined = copy(&own[2], Reach::Session).await?;
    let refused = abroad.keep(with(2, confined.client.hook.clone()), 0).await;
    refusal("a confined one in a call", refused, Side::Kernel, Refusal::Capability(2, Reason::Confined))?;
    check("which is still here", ring(&confined, 8).await && heard(&own[2]).await? == 8)?;

    let twice = moving(copy(&own[0], Reach::Open).await?)?.client.hook;
    let mut hooks = with(1, twice.clone());
    hooks.push(twice.clone());
    let refused = abroad.keep(hooks, 0).await;
    refusal("one that is moved twice", refused, Side::Kernel, Refusal::Capability(3, Reason::MovedTwice))?;
    check("nothing of these arrived", abroad.clear().await? == 0)?;
    check("nor was what was to be moved lost", has_copies(&own[0]).await?)?;
    abroad.keep(vec![twice], 0).await?;
    check("it moves when it is sent alone", abroad.ring(4).await? == 1 && heard(&own[0]).await? == 4)?;
    drop(confined);
    check("everything else is here", abroad.clear().await? == 1 && none_is_left(&own).await?)
}

/// The same in results: the server is refused, and says so to its caller.
async fn refused_in_results(abroad: &Abroad) -> Result<(), Failure> {
    let own = bells(MOST).await?;
    abroad.keep(copies(&own), 0).await?;
    let refused = abroad.give(How::Copied, 4).await;
    // One more than asked for: it could have been the memory of a large answer.
    refusal("more in a result than are accepted", refused, Side::Server, Refusal::Accepts(5))?;
    for (how, place, reason) in [(How::Confined, 14, Reason::Confined), (How::Stale, 14, Reason::Stale)] {
        let refused = abroad.give(how, MOST as u8).await;
        refusal("a bad one in a result", refused, Side::Server, Refusal::Capability(place, reason))?;
    }
    abroad.clear().await?;
    abroad.keep(copies(&own[..2]), 0).await?;
    let refused = abroad.give(How::MovedTwice, MOST as u8).await;
    refusal("one that is moved twice in a result", refused, Side::Server, Refusal::Capability(2, Reason::MovedTwice))?;
    let back = abroad.give(How::Copied, MOST as u8).await?;
    check("nothing of these was lost there", in_order(&own[..2], &back).await?)?;
    drop(back);
    check("nor is anything left", abroad.clear().await? == 2 && none_is_left(&own).await?)
}

fn refusal<T>(what: &str, refused: Result<T, Error>, side: Side, wanted: Refusal) -> Result<(), Failure> {
    let Err(error) = refused else { return Err(format!("{what} is not refused").into()) };
    let failure = CallFailure::of(&error);
    let told = failure.side == side && failure.refusal() == Some(wanted);
    let kind = match wanted {
        Refusal::Accepts(_) => ErrorKind::Overloaded,
        Refusal::Capability(..) => ErrorKind::Failed,
    };
    println!("{}", error.extra);
    check(&format!("{what} is refused by name"), told && error.kind == kind)
}

/// A receiver whose ledger has too little left gets all of a message or nothing.
async fn receiver_pays(context: &Context) -> Result<(), Failure> {
    let poor = Abroad::new(context, Quota { handles: 64, ..QUOTA }).await?;
    let own = bells(3).await?;
    let mut kept = 0;
    let refused = loop {
        match poor.keep(copies(&own), 0).await {
            Ok(()) => kept += 3,
            Err(error) => break error,
        }
        if kept > 64 {
            return Err("a ledger pays for more handles than it has".into());
        }
    };
    refusal("what the receiver cannot pay for", Err::<(), _>(refused), Side::Kernel, Refusal::Accepts(0))?;
    check("nothing of it arrived", poor.ring(1).await? == kept)?;
    let status = loop {
        match poor.keep(copies(&own[..1]), 0).await {
            Ok(()) => kept += 1,
            Err(error) => break CallFailure::of(&error).status,
        }
    };
    check("what it can pay for does", poor.ring(1).await? == kept && kept < 64)?;
    check("up to its last handle", status == Some(status::NOT_ACCEPTED))?;
    check("given up, they are free again", poor.clear().await? == kept)?;
    poor.keep(copies(&own), 0).await?;
    check("and nothing is lost", poor.clear().await? == 3 && none_is_left(&own).await?)?;
    poor.player.kill().await
}
