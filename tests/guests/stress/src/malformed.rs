//! Malformed messages in both directions: to a server and to a client that are written with generated code, by peers that write what
//! they like. Each call gets an answer or an error; nobody dies, and nothing stays behind.

use crate::clerk::{self, Clerk};
use crate::mangle;
use crate::reception::{Delivery, Event, Reception};
use crate::stage::{INTERVAL, Stage, settled};
use crate::{capability, wire};
use campaign::{Books, PATIENCE, Player, argument, random};
use capnp::capability::FromClientHook;
use capos_abi::handle::Handle;
use capos_abi::message::{CapDescriptor, mode};
use capos_abi::ring::{Submission, flag, op};
use capos_abi::status::{self, Status};
use capos_rt::arena::Range;
use capos_rt::raw;
use capos_service::spawn::Spawn;
use capos_service::time::now;
use capos_service::{Context, Failure, deadline_in, sleep, slot};
use fastrand::Rng;
use schema::workshop_capnp::workshop;
use std::collections::BTreeMap;

/// Messages in each direction before the books are first looked at. About one in eight is answered: of so many, some are, whatever the seed.
const FIRST_MESSAGES: u32 = 500;
/// Bytes of the range for a message and its result.
const RANGE_BYTES: u32 = 2048;
/// Where the result begins.
const RESULT_OFFSET: u32 = 1024;
/// Words of a message that travels through the ring.
const INLINE_WORDS: usize = 60;
/// Nanoseconds after which a call that the server works on forever is given up.
const DEADLINE: u64 = 20_000_000;
/// Methods that are called; the others end the server or never answer.
const METHODS: [u16; 8] = [0, 1, 2, 4, 5, 6, 8, 9];

/// `count` messages in each direction.
pub async fn run(context: &Context, count: u32) -> Result<(), Failure> {
    let mut random = random()?;
    let books = Books { ledger: slot("ledger")?, machine: context.take("machine")? };
    let first = books.balance().await?;
    to_server(FIRST_MESSAGES, &mut random).await?;
    to_client(FIRST_MESSAGES, &mut random).await?;
    let before = settled(&books, &first).await?;
    to_server(count, &mut random).await?;
    to_client(count, &mut random).await?;
    books.settle(&before).await?;
    println!("{count} malformed messages in each direction: answers or errors, and nothing is missing");
    Ok(())
}

/// A hostile caller, and a server that must serve others as before.
async fn to_server(count: u32, random: &mut Rng) -> Result<(), Failure> {
    let stage = Stage::new().await?;
    let object = stage.object_of(clerk::INTERFACE, 7).await?;
    let server = stage.start("clerk", 0, |spawn| stage.lend(spawn)).await?;
    let client: workshop::Client = FromClientHook::new(object.add_ref());
    clerk::use_honestly(&client).await?;
    let before = server.used().await?;
    let grants =
        |spawn: Spawn| spawn.argument(&format!("count={count}")).grant_as("object", clerk::INTERFACE, object.add_ref());
    stage.start("mangler", random.u64(..), grants).await?.ends_well().await?;
    clerk::use_honestly(&client).await?;
    settle(&server, &before).await?;
    server.kill().await
}

/// Waits until a server holds no more than before. Its heap may have grown; but whatever it was sent is gone.
async fn settle(server: &Player, before: &[u64; 4]) -> Result<(), Failure> {
    let patience = deadline_in(PATIENCE)?;
    loop {
        let used = server.used().await?;
        if used[1..] == before[1..] {
            return Ok(());
        }
        if now()? > patience {
            return Err(format!("the server used {before:?} and now uses {used:?}").into());
        }
        sleep(INTERVAL).await?;
    }
}

/// A hostile server, and a client that must come to its end.
async fn to_client(count: u32, random: &mut Rng) -> Result<(), Failure> {
    let stage = Stage::new().await?;
    let object = stage.object_of(clerk::INTERFACE, 7).await?;
    let server = stage.start("liar", random.u64(..), |spawn| stage.lend(spawn)).await?;
    let grants =
        |spawn: Spawn| spawn.argument(&format!("count={count}")).grant_as("object", clerk::INTERFACE, object.add_ref());
    stage.start("reader", 0, grants).await?.ends_well().await?;
    server.stop().await
}

/// Where hostile programs take their messages from.
struct Mangler {
    random: Rng,
    /// What goes with them.
    spare: Handle,
}

impl Mangler {
    fn new() -> Result<Mangler, Failure> {
        let spare =
            capability::create_notification().map_err(|failure| capability::refused("a notification", failure))?;
        Ok(Mangler { random: Rng::with_seed(argument("seed")?.unwrap_or_default()), spare })
    }

    /// A message: capabilities, words, flags. The memory of a large one is the first capability, and is the caller's to release.
    fn message(&mut self) -> Result<(Vec<CapDescriptor>, Vec<u64>, u16), Failure> {
        let copies = self.random.usize(0..3);
        let mut sent = vec![CapDescriptor { handle: self.spare, mode: mode::COPY }; copies];
        if self.random.u8(0..4) > 0 {
            return Ok((sent, mangle::message(&mut self.random, INLINE_WORDS), 0));
        }
        let words = mangle::message(&mut self.random, mangle::PAGE_WORDS);
        let bytes = match self.random.u8(0..8) {
            0 => self.random.u64(..),
            1 => self.random.u64(0..20_000),
            _ => words.len() as u64 * 8,
        };
        let memory = capability::sealed(&words).map_err(|failure| capability::refused("memory", failure))?;
        sent.insert(0, CapDescriptor { handle: memory, mode: mode::COPY });
        Ok((sent, vec![bytes], flag::SPILLED))
    }

    fn release(&self, sent: &[CapDescriptor], flags: u16) {
        if flags & flag::SPILLED != 0 {
            sent.iter().take(1).for_each(|memory| raw::release(memory.handle));
        }
    }
}

/// The hostile caller.
pub fn call() -> Result<(), Failure> {
    let mut mangler = Mangler::new()?;
    let (range, count): (Range, u32) = (wire::take(RANGE_BYTES), argument("count")?.ok_or("how many?")?);
    let mut ends = BTreeMap::<Status, u32>::new();
    for _ in 0..count {
        let (sent, segment, flags) = mangler.message()?;
        let descriptors = sent.iter().flat_map(|sent| [sent.handle, sent.mode]);
        let words: Vec<u64> = descriptors.chain(segment).collect();
        wire::write(range, 0, &words);
        let end = wire::run(Submission {
            op: op::CALL,
            caps: sent.len() as u8 | 4 << 4,
            flags,
            method: mangler.random.choice(METHODS).unwrap_or_default(),
            handle: wire::given("object"),
            interface: clerk::INTERFACE,
            message_offset: wire::offset(range),
            message_bytes: words.len() as u32 * 8,
            result_offset: wire::offset(range) + RESULT_OFFSET,
            result_bytes: RANGE_BYTES - RESULT_OFFSET,
            deadline: wire::now() + DEADLINE,
            ..Submission::default()
        });
        mangler.release(&sent, flags);
        if !matches!(end.status, status::OK | status::EXCEPTION | status::DEADLINE) {
            return Err(format!("a call ends with status {}", end.status).into());
        }
        *ends.entry(end.status).or_default() += 1;
        let received = (0..usize::from(end.caps)).map(|at| wire::read(range, RESULT_OFFSET as usize / 8 + at));
        received.filter(|_| end.status == status::OK).for_each(raw::release);
    }
    println!("malformed calls have ended by status: {ends:?}");
    if ends.contains_key(&status::OK) && ends.contains_key(&status::EXCEPTION) {
        Ok(())
    } else {
        Err("all alike".into())
    }
}

/// The hostile server.
pub fn serve() -> Result<(), Failure> {
    let mut mangler = Mangler::new()?;
    let reception = Reception::open(8).heed();
    loop {
        wire::wait(0);
        while let Some(event) = reception.next()? {
            match event {
                Event::Call(delivery) => lie(&reception, &mut mangler, &delivery)?,
                Event::Stop => return Ok(()),
                Event::Gone(_) | Event::Unreferenced(_) => {}
            }
        }
    }
}

fn lie(reception: &Reception, mangler: &mut Mangler, delivery: &Delivery) -> Result<(), Failure> {
    delivery.capabilities.iter().for_each(|&handle| raw::release(handle));
    let (sent, segment, flags) = mangler.message()?;
    let flags = if mangler.random.u8(0..8) == 0 && flags == 0 { flag::EXCEPTION } else { flags };
    let sent = if flags == flag::EXCEPTION { Vec::new() } else { sent };
    let end = reception.answer_as(delivery.token, &sent, &segment, flags);
    mangler.release(&sent, flags);
    match end {
        status::OK | status::CALLER_GONE => Ok(()),
        other => Err(format!("an answer is refused with status {other}").into()),
    }
}

/// The server written with generated code.
pub fn keep_shop() -> Result<(), Failure> {
    capos_service::block_on(async {
        let context = Context::new();
        context.offer::<workshop::Client, _>(Clerk)?;
        context.serve().await
    })
}

/// The client written with generated code.
pub fn read() -> Result<(), Failure> {
    let count = argument("count")?.ok_or("how many?")?;
    capos_service::block_on(clerk::use_carefully(count))
}
