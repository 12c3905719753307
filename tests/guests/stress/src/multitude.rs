//! Very many origins whose copies go all at once, and very many mappings of one capability that is given up or taken back.

use crate::reception::{Event, Reception};
use crate::stage::{QUOTA, Stage, settled};
use crate::{capability, wire};
use campaign::{Books, argument};
use capos_abi::PAGE_BYTES;
use capos_abi::handle::Handle;
use capos_abi::interface::{endpoint_server, ledger, process, virtual_memory};
use capos_abi::status;
use capos_rt::raw::{self, Failure as Refused, Message};
use capos_rt::startup;
use capos_service::spawn::Quota;
use capos_service::{Context, Failure, slot};

/// Handles for each origin: itself and its copy, and the kernel memory of the mappings.
const HANDLES: u64 = 6;

/// So many of each, in a program that ends with some of them.
pub async fn run(context: &Context, count: u32) -> Result<(), Failure> {
    let books = Books { ledger: slot("ledger")?, machine: context.take("machine")? };
    let first = books.balance().await?;
    gather(count).await?;
    let before = settled(&books, &first).await?;
    gather(count).await?;
    books.settle(&before).await?;
    println!("{count} notices have come, and {count} mappings are gone");
    Ok(())
}

async fn gather(count: u32) -> Result<(), Failure> {
    let stage = Stage::new().await?;
    let quota = Quota { handles: QUOTA.handles + HANDLES * u64::from(count), ..QUOTA };
    let grants = |spawn| stage.lend(spawn).argument(&format!("count={count}"));
    stage.start_with("minter", 0, quota, grants).await?.ends_well().await
}

/// The program that has them.
pub fn hold() -> Result<(), Failure> {
    let count: u32 = argument("count")?.ok_or("how many?")?;
    lose_copies(count)?;
    lose_mappings(count)?;
    Ok(())
}

/// A process that holds a copy of each origin ends: each notice comes once, in the order in which the copies went.
fn lose_copies(count: u32) -> Result<(), String> {
    let reception = Reception::open(1);
    let origins = (0..count).map(|_| mint()).collect::<Result<Vec<_>, _>>();
    let origins = origins.map_err(|failure| capability::refused("an object", failure))?;
    give_away(&origins).map_err(|failure| capability::refused("a copy", failure))?;
    for &origin in &origins {
        let event = loop {
            match reception.next()? {
                Some(event) => break event,
                None => wire::wait(0),
            }
        };
        match event {
            Event::Unreferenced(handle) if handle == origin => {}
            _ => return Err("the notices do not come in their order".into()),
        }
    }
    // The others end with the program.
    origins.iter().step_by(2).for_each(|&origin| crate::reception::release_object(origin));
    Ok(())
}

fn mint() -> Result<Handle, Refused> {
    use endpoint_server::{ID, mint::*};
    let message = Message::new(params::SHAPE).set(params::INTERFACE_ID, crate::protocol::INTERFACE);
    raw::call(wire::given("endpoint"), ID, METHOD, &message, 1).map(|reply| reply.capability(results::OBJECT))
}

/// Copies these to a process that ends before it has begun.
fn give_away(origins: &[Handle]) -> Result<(), Refused> {
    use ledger::create_process::{METHOD, params, results};
    let made = raw::call(startup::ledger(), ledger::ID, METHOD, &Message::new(params::SHAPE), 3)?;
    let holder = made.capability(results::PROCESS);
    for &origin in origins {
        use process::grant::{METHOD, params};
        let message = Message::new(params::SHAPE).set_capability(params::CAPABILITY, origin);
        raw::call(holder, process::ID, METHOD, &message, 0)?;
    }
    let others = [results::MEMORY, results::HANDLES].map(|pointer| made.capability(pointer));
    others.into_iter().chain([holder]).for_each(raw::release);
    Ok(())
}

/// Memory is mapped very often with a copy that is given up, then with one that is taken back: what was mapped with either is gone
/// when the capability that they were copied from is revoked. What is mapped with that itself stays, and ends with the program.
fn lose_mappings(count: u32) -> Result<(), String> {
    let refused = |failure| capability::refused("a mapping", failure);
    let memory = capability::create_memory().map_err(refused)?;
    let own = map_often(memory, count / 4).map_err(refused)?;
    let given_up = capability::copy(memory).map_err(refused)?;
    let mut lost = map_often(given_up, count / 2).map_err(refused)?;
    raw::release(given_up);
    let taken_back = capability::copy(memory).map_err(refused)?;
    lost.extend(map_often(taken_back, count / 2).map_err(refused)?);
    capability::revoke(memory);
    if lost.into_iter().any(is_mapped) {
        return Err("something is mapped after its revocation".into());
    }
    if own.into_iter().all(is_mapped) { Ok(()) } else { Err("somebody else's revocation has ended a mapping".into()) }
}

fn map_often(memory: Handle, count: u32) -> Result<Vec<u64>, Refused> {
    (0..count).map(|_| capability::map(memory)).collect()
}

/// Whether something is there whose access can be changed.
fn is_mapped(address: u64) -> bool {
    use virtual_memory::{ID, access::READ, protect::*};
    let message = Message::new(params::SHAPE).set(params::ADDRESS, address).set(params::BYTES, PAGE_BYTES);
    match raw::call(startup::memory(), ID, METHOD, &message.set(params::ACCESS, READ.into()), 0) {
        Ok(_) => true,
        Err(Refused { status: status::BAD_STATE, .. }) => false,
        Err(failure) => panic!("access is changed with status {}", failure.status),
    }
}
