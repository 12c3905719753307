//! Calls that cause calls: from process to process in a ring, as deep as there are threads to serve them, and deeper.
//!
//! Every thread of a link serves one call at a time, and waits in it for the next link's answer. When no thread is left, a call waits
//! for one that waits for it: then nothing but its deadline helps, and that must.

use crate::protocol::INTERFACE;
use crate::reception::{Delivery, Event, Reception};
use crate::stage::{QUOTA, Stage, settled};
use crate::{stage, wire};
use campaign::{Books, Player, argument, random};
use capos_abi::ring::{Submission, op};
use capos_abi::status;
use capos_rt::arena::Range;
use capos_service::spawn::{Quota, Spawn};
use capos_service::{Context, Failure, slot};
use fastrand::Rng;

/// Threads of each link.
const THREADS: u32 = 16;
/// Processes in the rings that are tried: one that calls itself, two that call each other, three.
const RINGS: [u32; 3] = [1, 2, 3];
/// Calls that are under way at once when there are too few threads for them.
const TOO_MANY: usize = 24;
/// Nanoseconds of the longest deadline of these.
const LONGEST_DEADLINE: u64 = 20_000_000;
/// Nanoseconds that a call may take for which there are enough threads; it only guards against hanging.
const PATIENCE: u64 = 120_000_000_000;
/// Bytes of a call's message, and of its result.
const MESSAGE_BYTES: u32 = 16;
/// A message of one number; the number follows.
const NUMBER: u64 = 1 << 32;

/// In every ring: `count` times all threads in one chain, then more than there are, then again one chain.
pub async fn run(context: &Context, count: u32) -> Result<(), Failure> {
    let mut random = random()?;
    let books = Books { ledger: slot("ledger")?, machine: context.take("machine")? };
    let first = books.balance().await?;
    for processes in RINGS {
        around(processes, 1, random.u64(..)).await?;
    }
    let before = settled(&books, &first).await?;
    for processes in RINGS {
        around(processes, count, random.u64(..)).await?;
        books.settle(&before).await?;
        println!("{processes} processes: chains of {} calls, and what is too deep ends in time", processes * THREADS);
    }
    Ok(())
}

async fn around(processes: u32, count: u32, seed: u64) -> Result<(), Failure> {
    let mut stages = Vec::new();
    for _ in 0..processes {
        let stage = Stage::new().await?;
        let object = stage.object(7).await?;
        stages.push((stage, object));
    }
    let quota = Quota { frames: 2048, threads: 1 + u64::from(THREADS), ..QUOTA };
    let mut links: Vec<Player> = Vec::new();
    for (at, (stage, _)) in stages.iter().enumerate() {
        let next = &stages[(at + 1) % stages.len()].1;
        let grants = |spawn: Spawn| stage.lend(spawn).grant_as("object", INTERFACE, next.add_ref());
        links.push(stage.start_with("link", 0, quota, grants).await?);
    }
    let (stage, object) = &stages[0];
    let depth = processes * THREADS;
    let grants = |spawn: Spawn| {
        let spawn = spawn.argument(&format!("count={count}")).argument(&format!("depth={depth}"));
        spawn.grant_as("object", INTERFACE, object.add_ref())
    };
    stage.start("starter", seed, grants).await?.ends_well().await?;
    for link in links {
        link.kill().await?;
    }
    Ok(())
}

/// A link: its threads serve until they are killed.
pub fn serve() -> Result<(), Failure> {
    let threads = (0..THREADS).map(|_| stage::thread(serve_alone)).collect::<Result<Vec<_>, _>>()?;
    for thread in threads {
        thread.join().map_err(|_| "a thread has panicked")??;
    }
    Ok(())
}

fn serve_alone() -> Result<(), String> {
    let (reception, range) = (Reception::open(1), wire::take(2 * MESSAGE_BYTES));
    loop {
        wire::wait(0);
        while let Some(event) = reception.next()? {
            if let Event::Call(delivery) = event {
                pass_on(&reception, range, &delivery)?;
            }
        }
    }
}

/// Answers with the length of the chain from here on; 0 if it broke.
fn pass_on(reception: &Reception, range: Range, delivery: &Delivery) -> Result<(), String> {
    let [_, depth] = delivery.words;
    let length = if depth <= 1 {
        depth
    } else {
        let end = wire::run(call(range, 0, depth - 1, delivery.header.deadline));
        let beyond = if end.status == status::OK { wire::read(range, 3) } else { 0 };
        if beyond == 0 { 0 } else { beyond + 1 }
    };
    match reception.answer(delivery.token, &[], &[NUMBER, length]) {
        status::OK | status::CALLER_GONE => Ok(()),
        other => Err(format!("an answer is refused with status {other}")),
    }
}

/// A call for a chain of this length, by the two messages of the range that `place` counts.
fn call(range: Range, place: usize, depth: u64, deadline: u64) -> Submission {
    let at = place as u32 * 2 * MESSAGE_BYTES;
    wire::write(range, at as usize / 8, &[NUMBER, depth]);
    Submission {
        op: op::CALL,
        handle: wire::given("object"),
        interface: INTERFACE,
        user_data: place as u64 + 1,
        message_offset: wire::offset(range) + at,
        message_bytes: MESSAGE_BYTES,
        result_offset: wire::offset(range) + at + MESSAGE_BYTES,
        result_bytes: MESSAGE_BYTES,
        deadline,
        ..Submission::default()
    }
}

/// Who starts the chains.
pub fn start() -> Result<(), Failure> {
    let (count, depth): (u32, u64) = (argument("count")?.ok_or("how often?")?, argument("depth")?.ok_or("how deep?")?);
    let mut random = Rng::with_seed(argument("seed")?.unwrap_or_default());
    let range = wire::take(TOO_MANY as u32 * 2 * MESSAGE_BYTES);
    for _ in 0..count {
        whole_chain(range, depth)?;
        too_many(range, depth, &mut random)?;
    }
    whole_chain(range, depth)
}

/// Threads that were late for a call whose deadline has passed come back by themselves: until then, a chain may be too short.
fn whole_chain(range: Range, depth: u64) -> Result<(), Failure> {
    let end = wire::run(call(range, 0, depth, wire::now() + PATIENCE));
    match (end.status, wire::read(range, 3)) {
        (status::OK, length) if length == depth => Ok(()),
        (status, length) => Err(format!("a chain of {depth} ends with status {status}, length {length}").into()),
    }
}

/// More calls than there are threads for: each ends by its answer or by its deadline.
fn too_many(range: Range, depth: u64, random: &mut Rng) -> Result<(), Failure> {
    for place in 0..TOO_MANY {
        let deadline = wire::now() + random.u64(1..LONGEST_DEADLINE);
        wire::start(call(range, place, random.u64(1..2 * depth), deadline));
    }
    let mut left = TOO_MANY;
    while left > 0 {
        wire::wait(wire::now() + PATIENCE);
        let Some(end) = wire::next() else { return Err("a call does not end by its deadline".into()) };
        if !matches!(end.status, status::OK | status::DEADLINE) {
            return Err(format!("a call ends with status {}", end.status).into());
        }
        left -= 1;
    }
    Ok(())
}
