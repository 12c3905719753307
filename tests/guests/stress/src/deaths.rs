//! Servers and callers that are killed at random moments while many calls are under way.

use crate::stage::{Stage, settled};
use campaign::{Books, Player, random};
use capos_service::{Context, Failure, sleep, slot};
use fastrand::Rng;
use std::time::Duration;

/// Callers beside those that are killed.
const CALLERS: u64 = 3;
/// Role: a caller that need not have seen anything in the end.
pub const BEGINNER: &str = "beginner";
/// Role: a caller whose server lives on.
pub const SURVIVOR: &str = "survivor";
/// Role: a caller whose servers die.
pub const MOURNER: &str = "mourner";
/// Microseconds of the longest life.
const LONGEST_LIFE: u64 = 6_000;

/// Kills `count` of each.
pub async fn run(context: &Context, count: u32) -> Result<(), Failure> {
    let mut random = random()?;
    let books = Books { ledger: slot("ledger")?, machine: context.take("machine")? };
    let first = books.balance().await?;
    servers_die(4, BEGINNER, &mut random).await?;
    callers_die(4, BEGINNER, &mut random).await?;
    let before = settled(&books, &first).await?;
    servers_die(count, MOURNER, &mut random).await?;
    books.settle(&before).await?;
    println!("{count} servers have died: every call has ended once, and nothing is missing");
    callers_die(count, SURVIVOR, &mut random).await?;
    books.settle(&before).await?;
    println!("{count} callers have died: their server was told, has all its slots, and nothing is missing");
    Ok(())
}

async fn some_time(random: &mut Rng) -> Result<(), Failure> {
    Ok(sleep(Duration::from_micros(random.u64(0..LONGEST_LIFE))).await?)
}

async fn start_callers(stage: &Stage, kind: &str, random: &mut Rng) -> Result<Vec<Player>, Failure> {
    let object = stage.object(7).await?;
    let mut callers = Vec::new();
    for _ in 0..CALLERS {
        callers.push(stage.call(kind, &*object, random.u64(..)).await?);
    }
    Ok(callers)
}

async fn stop_all(players: Vec<Player>) -> Result<(), Failure> {
    for player in players {
        player.stop().await?;
    }
    Ok(())
}

/// One server after the other is killed at a random moment.
async fn servers_die(count: u32, kind: &str, random: &mut Rng) -> Result<(), Failure> {
    let stage = Stage::new().await?;
    let callers = start_callers(&stage, kind, random).await?;
    for _ in 0..count {
        let server = stage.serve(random.u64(..)).await?;
        some_time(random).await?;
        server.kill().await?;
    }
    let last = stage.serve(random.u64(..)).await?;
    stop_all(callers).await?;
    last.stop().await
}

/// One caller after the other is killed at a random moment, beside others that stay.
async fn callers_die(count: u32, kind: &str, random: &mut Rng) -> Result<(), Failure> {
    let stage = Stage::new().await?;
    let server = stage.serve(random.u64(..)).await?;
    let bystanders = start_callers(&stage, kind, random).await?;
    let object = stage.object(7).await?;
    for _ in 0..count {
        let caller = stage.call(BEGINNER, &*object, random.u64(..)).await?;
        some_time(random).await?;
        caller.kill().await?;
    }
    stop_all(bystanders).await?;
    stage.call("filler", &*object, 0).await?.ends_well().await?;
    server.stop().await
}
