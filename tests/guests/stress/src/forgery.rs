//! Callers that write anything they can, so that a server takes them for somebody else or gets what they don't hold; and the
//! server, which compares what the kernel says with what is true.

use crate::forger::Forger;
use crate::protocol::INTERFACE;
use crate::reception::{Delivery, Event, Reception};
use crate::stage::{Stage, settled};
use crate::{capability, wire};
use campaign::{Books, argument, random};
use capnp::private::capability::ClientHook;
use capos_abi::interface;
use capos_abi::interface::session::{principal, strength};
use capos_abi::message::attribute::{PRINCIPAL, PROFILE, STRENGTH};
use capos_abi::status;
use capos_rt::raw;
use capos_service::spawn::Spawn;
use capos_service::{Context, Failure, import, slot};
use schema::process_capnp::process;
use schema::session_capnp::{session_authority, session_control};
use std::collections::{BTreeMap, BTreeSet};

/// An object of each forger, and who the forger is.
struct Identity {
    /// Key of its object.
    key: u64,
    /// Attributes that calls through it may disclose.
    disclosable: u32,
    principal: u16,
    strength: u16,
    profile: u8,
}

/// The forgers.
const FORGERS: [Identity; 2] = [
    Identity { key: 7, disclosable: PRINCIPAL, principal: principal::PERSON, strength: strength::PASSWORD, profile: 9 },
    Identity {
        key: 8,
        disclosable: STRENGTH | PROFILE,
        principal: principal::SERVICE,
        strength: strength::KEY,
        profile: 3,
    },
];

/// Interfaces of what a forger has, all of which it may pass on.
const HELD: [u64; 10] = [
    INTERFACE,
    interface::process::ID,
    interface::ledger::ID,
    interface::virtual_memory::ID,
    interface::handle_manager::ID,
    interface::thread::ID,
    interface::notification::ID,
    interface::log_sink::ID,
    interface::memory_object::ID,
    interface::clock::ID,
];

/// Two forgers make `count` attempts each.
pub async fn run(context: &Context, count: u32) -> Result<(), Failure> {
    let mut random = random()?;
    let books = Books { ledger: slot("ledger")?, machine: context.take("machine")? };
    let first = books.balance().await?;
    attempt(context, 100, [random.u64(..), random.u64(..)]).await?;
    let before = settled(&books, &first).await?;
    attempt(context, count, [random.u64(..), random.u64(..)]).await?;
    books.settle(&before).await?;
    println!(
        "2 forgers have tried {count} times each: their server was told nothing but the truth, and nothing is missing"
    );
    Ok(())
}

async fn attempt(context: &Context, count: u32, seeds: [u64; 2]) -> Result<(), Failure> {
    let stage = Stage::new().await?;
    let witness = stage.start("witness", 0, |spawn| stage.lend(spawn)).await?;
    let (mut forgers, mut sessions) = (Vec::new(), Vec::new());
    for (identity, seed) in FORGERS.iter().zip(seeds) {
        let object = narrowed(&*stage.object(identity.key).await?, identity.disclosable).await?;
        let control = open_session(context, identity).await?;
        let session = control.session_request().send().promise.await?.get()?.get_session()?;
        let grants = |spawn: Spawn| {
            let spawn = spawn.session(session).argument(&format!("count={count}"));
            spawn.grant_as("object", INTERFACE, object)
        };
        forgers.push(stage.start("forger", seed, grants).await?);
        // A session lasts as long as its control is held.
        sessions.push(control);
    }
    for forger in forgers {
        forger.ends_well().await?;
    }
    witness.stop().await
}

/// A copy of an object through which calls disclose these attributes at most.
async fn narrowed(object: &dyn ClientHook, disclosable: u32) -> Result<Box<dyn ClientHook>, Failure> {
    let mut request = slot::<process::Client>("process")?.grant_request();
    request.get().init_capability().set_as_capability(object.add_ref());
    request.get().set_disclosable(disclosable as u8);
    let handle = request.send().promise.await?.get()?.get_handle();
    Ok(import::<capnp::capability::Client>(handle).hook)
}

async fn open_session(context: &Context, identity: &Identity) -> Result<session_control::Client, Failure> {
    let mut request = context.take::<session_authority::Client>("sessions")?.open_request();
    let mut attributes = request.get();
    attributes.set_ledger(slot("ledger")?);
    attributes.set_principal(identity.principal.try_into()?);
    attributes.set_strength(identity.strength.try_into()?);
    attributes.set_profile(identity.profile);
    Ok(request.send().promise.await?.get()?.get_control()?)
}

/// The server: an error if the kernel says anything of a caller that is not so.
pub fn bear_witness() -> Result<(), Failure> {
    let reception = Reception::open(8).heed();
    let mut sessions = BTreeMap::new();
    let mut calls = 0u64;
    loop {
        wire::wait(0);
        while let Some(event) = reception.next()? {
            match event {
                Event::Call(delivery) => {
                    examine(&delivery, &mut sessions)?;
                    delivery.capabilities.iter().for_each(|&handle| raw::release(handle));
                    calls += 1;
                    match reception.answer(delivery.token, &[], &[]) {
                        status::OK | status::CALLER_GONE => {}
                        other => return Err(format!("an answer is refused with status {other}").into()),
                    }
                }
                Event::Gone(_) | Event::Unreferenced(_) => {}
                Event::Stop => {
                    println!("{calls} calls were examined");
                    let distinct: BTreeSet<_> = sessions.values().collect();
                    let known = sessions.len() == FORGERS.len() && distinct.len() == FORGERS.len();
                    return if known { Ok(()) } else { Err("sessions were mistaken for each other".into()) };
                }
            }
        }
    }
}

fn examine(delivery: &Delivery, sessions: &mut BTreeMap<u64, [u64; 2]>) -> Result<(), Failure> {
    let header = &delivery.header;
    let identity = FORGERS.iter().find(|identity| identity.key == header.key);
    let identity = identity.ok_or_else(|| format!("a call of an object that there is not: {header:?}"))?;
    if header.granted_interface != INTERFACE {
        return Err(format!("an interface that was never granted: {header:?}").into());
    }
    if *sessions.entry(header.key).or_insert(header.session) != header.session || header.session == [0; 2] {
        return Err(format!("another session: {header:?}").into());
    }
    let [which, principal, strength, profile] = header.disclosed.to_le_bytes();
    let value = |attribute: u32, value: u8| if u32::from(which) & attribute != 0 { value } else { 0 };
    let truth = [
        value(PRINCIPAL, identity.principal as u8),
        value(STRENGTH, identity.strength as u8),
        value(PROFILE, identity.profile),
    ];
    if u32::from(which) & !identity.disclosable != 0 || truth != [principal, strength, profile] {
        return Err(format!("an attribute that is not so, or is nobody's business: {header:?}").into());
    }
    for &handle in &delivery.capabilities {
        let interface = (handle != 0).then(|| capability::interface(handle));
        if interface.is_some_and(|interface| !interface.is_some_and(|interface| HELD.contains(&interface))) {
            return Err(format!("a capability that no forger has: {interface:x?}").into());
        }
    }
    Ok(())
}

/// The caller.
pub fn forge() -> Result<(), Failure> {
    let count: u32 = argument("count")?.ok_or("how often?")?;
    Forger::new(argument("seed")?.unwrap_or_default())?.attack(count)
}
